"""An old history is judged by a model from the command line."""

import pytest

from shakeout.explore import judge
from shakeout.history import file
from shakeout.history.operation import History, Operation, Outcome


def saved(path, *results):
    """A file with reads of these results after a write of 1."""
    write = Operation(0, "A", "write", "x", (1,), 0, 1, Outcome.OK)
    reads = [
        Operation(number, "B", "read", "x", (), 10 * number, 10 * number + 5, Outcome.OK, result)
        for number, result in enumerate(results, start=1)
    ]
    file.save(History((write, *reads), {"scenario": "work", "seed": 7}), path)
    return str(path)


@pytest.mark.parametrize(
    ("results", "code", "word"), [((1, 1), 0, "valid"), ((1, 2), 1, "invalid")]
)
def test_the_exit_code_is_the_verdict(tmp_path, capsys, results, code, word):
    path = saved(tmp_path / "history", *results)
    assert judge.main([path, "--model", "register"]) == code
    told = capsys.readouterr().out.splitlines()
    assert told[0] == "3 operations of scenario work, seed 7"
    assert told[1] == f"linearizable register: {word}"


def test_a_search_that_is_given_up_is_unknown(tmp_path):
    path = saved(tmp_path / "history", *[1] * 20)
    assert judge.main([path, "--model", "register", "--work", "0"]) == 2


def test_what_cannot_be_judged_is_told_on_standard_error(tmp_path, capsys):
    path = saved(tmp_path / "history", 1)
    assert judge.main([path, "--model", "lock"]) == 3
    assert "a lock knows no write(x, 1)" in capsys.readouterr().err
    assert judge.main([str(tmp_path / "none"), "--model", "lock"]) == 3
    assert "No such file" in capsys.readouterr().err


def test_only_some_actions_may_be_judged(tmp_path):
    path = saved(tmp_path / "history", 1, 2)
    assert judge.main([path, "--model", "register", "--actions", "write"]) == 0


def test_a_history_without_what_was_asked_for_is_not_valid(tmp_path, capsys):
    """Nothing judged is no verdict. Ask for an action that nobody did, and for one that failed."""
    path = saved(tmp_path / "history", 1, 2)
    assert judge.main([path, "--model", "register", "--actions", "raed"]) == 3
    failed = Operation(0, "A", "write", "x", (1,), 0, 1, Outcome.FAIL)
    file.save(History((failed,)), tmp_path / "failed")
    assert judge.main([str(tmp_path / "failed"), "--model", "register"]) == 3
    assert capsys.readouterr().err.count("nothing of what was asked for happened") == 2
