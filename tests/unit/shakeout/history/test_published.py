"""The checker agrees with published verdicts, and with those that follow from the definition: tables in `data`."""

from pathlib import Path

import pytest

from shakeout.checks.consistency.linearizability import Linearizable
from shakeout.checks.consistency.locks import FencedLock
from shakeout.checks.consistency.models import MODELS, Register
from shakeout.checks.consistency.verdict import Validity
from shakeout.history.operation import History, Operation, Outcome

DATA = Path(__file__).parent / "data"
VARIANTS = {"register0": Register(0), "lease": FencedLock(expires=True)}
WORDS = {".": None, "t": True, "f": False}


def value(word):
    if word.startswith("["):
        return tuple(value(each) for each in word[1:-1].split(",") if each)
    return WORDS[word] if word in WORDS else int(word)


def operation(number, line):
    process, action, arguments, began, ended, told = line.split()
    given = () if arguments == "-" else tuple(value(each) for each in arguments.split(","))
    known = ended != "-"
    return Operation(
        number,
        process,
        action,
        "x",
        given,
        int(began),
        int(ended) if known else None,
        Outcome.OK if known else Outcome.UNKNOWN,
        value(told),
    )


def histories(name):
    """Model, verdict and history of each block of a table."""
    found = []
    for block in (DATA / name).read_text().split("\n== ")[1:]:
        head, *lines = block.splitlines()
        title, model, verdict = head.split()
        rows = [line for line in lines if line and not line.startswith("#")]
        operations = tuple(operation(number, line) for number, line in enumerate(rows))
        found.append(pytest.param(model, verdict, History(operations), id=title))
    return found


def judged(model, history):
    return Linearizable(VARIANTS.get(model) or MODELS[model])(history)


@pytest.mark.parametrize(("model", "verdict", "history"), histories("small.txt"))
def test_small_history(model, verdict, history):
    assert judged(model, history).validity is Validity(verdict), history.operations


@pytest.mark.parametrize("name", ["etcd.txt", "knossos.txt"])
def test_histories_of_real_databases(name):
    wrong = []
    for each in histories(name):
        model, verdict, history = each.values
        found = judged(model, history)
        if found.validity is not Validity(verdict):
            wrong.append(f"{each.id}: {found}")
    assert wrong == []
