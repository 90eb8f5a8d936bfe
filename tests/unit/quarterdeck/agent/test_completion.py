"""How code could go on."""

import types

import pytest

from quarterdeck.agent.kernels.completion import MATCHES_MAX, complete
from quarterdeck.agent.kernels.interpreter import Interpreter

NAMES = {
    "alpha": types.SimpleNamespace(beta=types.SimpleNamespace(gamma=1, gain=2), _hidden=3),
    "alphabet": "abc",
    "_own": 1,
}


@pytest.mark.parametrize(
    ("code", "cursor", "matches", "start"),
    [
        ("alp", None, ("alpha", "alphabet"), 0),
        ("x = alp", None, ("alpha", "alphabet"), 4),
        ("alpha.b", None, ("beta",), 6),
        ("alpha.beta.g", None, ("gain", "gamma"), 11),
        ("alpha._h", None, ("_hidden",), 6),
        ("_ow", None, ("_own",), 0),
        ("alphabet.upp + 1", 12, ("upper",), 9),
        ("impor", None, ("import",), 0),
        ("isinst", None, ("isinstance",), 0),
        ("nothing.x", None, (), 8),
        ("alpha.nothing.x", None, (), 14),
        ("1 + ", 99, None, 4),
        ("", 0, None, 0),
    ],
)
def test_names_and_attributes(code, cursor, matches, start):
    found = complete(NAMES, code, cursor)
    assert matches is None or found.matches == matches
    assert found.start == start
    assert len(found.matches) <= MATCHES_MAX


def test_private_names_come_when_they_are_begun():
    assert "_hidden" not in complete(NAMES, "alpha.", None).matches


def test_objects_that_object_give_nothing():
    python = Interpreter()
    python.run("class Odd:\n    @property\n    def x(self): raise SystemExit\nodd = Odd()")
    assert python.complete("odd.x.y", None).matches == ()
