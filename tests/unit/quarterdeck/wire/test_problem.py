"""Every code has a fitting status; problems carry code, field and trace; every error's code is in the catalogue."""

import json

import pytest

from quarterdeck.base.errors import QuarterdeckError
from quarterdeck.infra import errors as infra_errors
from quarterdeck.wire import decode, problem
from quarterdeck.wire import errors as wire_errors


@pytest.mark.parametrize("code", problem.CATALOGUE)
def test_catalogue_is_sound(code):
    status, title = problem.CATALOGUE[code]
    assert 400 <= status < 600
    assert title
    assert title[0].isupper()
    assert not title.endswith(".")
    assert code == code.lower()
    assert " " not in code


def test_problem_carries_what_clients_look_at():
    made = problem.make("invalid-field", "too small", field="slots.cpu", trace="t1")
    assert json.loads(decode.encode(made)) == {
        "type": "urn:quarterdeck:problem:invalid-field",
        "title": "A field has a value that is not allowed",
        "status": 400,
        "code": "invalid-field",
        "detail": "too small",
        "field": "slots.cpu",
        "trace": "t1",
    }


def test_code_from_elsewhere_becomes_internal():
    assert problem.make("made-up").code == "internal"


@pytest.mark.parametrize("module", [wire_errors, infra_errors])
def test_codes_of_errors_are_in_the_catalogue(module):
    classes = [
        each
        for each in vars(module).values()
        if isinstance(each, type) and issubclass(each, QuarterdeckError)
    ]
    assert classes
    assert all(each.code in problem.CATALOGUE for each in classes)
