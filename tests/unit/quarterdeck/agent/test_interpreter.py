"""Code run piece by piece in one namespace: values, errors, tracebacks. No process, no channel."""

import linecache

import pytest

from quarterdeck.agent.kernels import interpreter
from quarterdeck.agent.kernels.interpreter import Interpreter


@pytest.fixture
def python():
    """An interpreter with nothing in it."""
    return Interpreter()


@pytest.mark.parametrize(
    ("code", "result"),
    [
        ("", None),
        ("# nothing", None),
        ("1 + 1", "2"),
        ("x = 1", None),
        ("x = 1\nx", "1"),
        ("'text'", "'text'"),
        ("None", None),
        ("if True:\n    5", None),
        ("x = 2; x * 3;", "6"),
        ("__name__", "'__main__'"),
        ("[y for y in range(2)]", "[0, 1]"),
    ],
)
def test_the_last_expression_is_the_result(python, code, result):
    assert python.run(code) == interpreter.Outcome("ok", result=result)


def test_names_stay(python):
    python.run("def twice(x): return 2 * x\nclass A: y = 4")
    assert python.run("twice(A.y)").result == "8"
    assert python.run("_ + 1").result == "9"


def test_future_statements_of_ours_do_not_leak(python):
    assert python.run("def f(x: 1 + 1): pass\nf.__annotations__").result == "{'x': 2}"


@pytest.mark.parametrize("code", ["raise SystemExit(2)", "raise KeyboardInterrupt", "exit(2)"])
def test_leaving_is_an_error_like_others(python, code):
    assert python.run(code).error["type"] in {"SystemExit", "KeyboardInterrupt"}


def test_a_traceback_has_the_lines_of_all_cells_and_the_causes(python):
    python.run("def fail():\n    raise KeyError('inner')  # in the first")
    code = "try:\n    fail()\nexcept KeyError as error:\n    raise OSError('outer') from error"
    text = python.run(code).error["traceback"]
    assert text.startswith('Traceback (most recent call last):\n  File "<cell 2>", line 2')
    assert "raise KeyError('inner')  # in the first" in text
    assert "The above exception was the direct cause" in text
    assert text.endswith("OSError: outer\n")
    assert interpreter.__file__ not in text


def test_lines_are_kept_for_the_newest_cells_only(python, monkeypatch):
    monkeypatch.setattr(interpreter, "CELLS_MAX", 2)
    for _ in range(4):
        python.run("1")
    kept = {name for name in linecache.cache if name in {f"<cell {n}>" for n in range(1, 5)}}
    assert kept == {"<cell 3>", "<cell 4>"}


def test_what_is_too_long_is_cut(python, monkeypatch):
    monkeypatch.setattr(interpreter, "RESULT_BYTES_MAX", 10)
    monkeypatch.setattr(interpreter, "ERROR_BYTES_MAX", 10)
    assert python.run("'x' * 50") == interpreter.Outcome("ok", result="'xxxxxxxxx", truncated=True)
    failed = python.run("raise ValueError('y' * 50)")
    assert (failed.error["message"], failed.truncated) == ("y" * 10, True)


def test_text_that_no_encoding_takes_is_replaced(python):
    assert python.run("raise ValueError('\\udc00')").error["message"] == "?"


def test_errors_that_cannot_be_shown_are_errors_all_the_same(python):
    code = "class Odd(Exception):\n    def __str__(self): raise SystemExit\nraise Odd"
    error = python.run(code).error
    assert (error["type"], error["message"]) == ("Odd", "<its text cannot be shown: SystemExit>")
