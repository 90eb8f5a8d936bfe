"""`qd session exec`: what is asked for, in which order it is shown, questions, interrupts, broken connections."""

import io

import pytest

from quarterdeck.cli import arguments, console, execute
from quarterdeck.client.errors import FileUnusable, Unreachable
from quarterdeck.testing.fakes.platform import ANSWERS, ID, OK, Noon, Platform, Ran


def executed(ran):
    return {key: value for key, value in ran.asked[-1].body.items() if key not in {"run", "wait"}}


class Unread(io.StringIO):
    """A pipe at the other end of which nobody is left."""

    def flush(self):
        raise BrokenPipeError(32, "Broken pipe")


def typed(data):
    return io.TextIOWrapper(io.BytesIO(data))


def test_exec_passes_the_streams_on():
    ran = Ran("session exec fit -c", "print(42)")
    assert (ran.code, ran.out, ran.err) == (0, "42\n7\n", "careful\n")
    assert executed(ran) == {"code": "print(42)", "stdin": True}
    assert ran.asked[-1].body["run"]
    assert executed(Ran("session exec fit -n -c", "1")) == {"code": "1"}


def test_exec_shows_the_traceback_and_fails():
    error = {"type": "ValueError", "message": "x", "traceback": "Traceback …\nValueError: x"}
    failed = OK | {"status": "error", "result": None, "error": error, "skipped": 3}
    answers = {f"POST /v1/sessions/{ID}/execute": failed}
    ran = Ran("session exec fit -c", "x", answers=answers)
    assert (ran.code, ran.out) == (1, "42\n")
    assert ran.err.startswith("qd: 3 characters came too fast and are lost\n")
    assert ran.err.endswith("Traceback …\nValueError: x\n")
    assert Ran("session exec fit --json -c", "x", answers=answers).code == 1


def test_exec_follows_what_goes_on_in_its_order():
    first = OK | {"status": "continued", "result": None, "offset": 11, "order": []}
    last = OK | {
        "stdout": "ab",
        "stderr": "x",
        "offset": 15,
        "written": 15,
        "exit_code": 3,
        "order": [["stdout", 1], ["stderr", 1], ["display", 1], ["stdout", 1]],
        "displays": [{"data": {"text/plain": "<fig>"}}],
        "status": "error",
        "result": None,
    }
    ran = Ran(
        "session exec fit --",
        "sh",
        answers={f"POST /v1/sessions/{ID}/execute": first, "run": [last]},
    )
    assert (ran.code, ran.out, ran.err) == (3, "42\na<fig>\nb", "careful\nx")
    assert executed(Ran("session exec fit --", "ls", "-l")) == {"command": ["ls", "-l"]}


def test_exec_answers_each_question_once(monkeypatch):
    monkeypatch.setattr("sys.stdin", typed(b"Ada\xff\r\n"))
    asks = OK | {"status": "waiting-input", "question": {"number": 1}, "result": None}
    answers = {f"POST /v1/sessions/{ID}/execute": asks, "run": [asks, asks, OK]}
    ran = Ran("session exec fit -c", "input()", answers=answers)
    replies = [each.body for each in ran.asked if each.path.endswith("/input")]
    assert replies == [{"number": 1, "text": "Ada\N{REPLACEMENT CHARACTER}"}]
    ran = Ran("session exec fit -c", "input()", answers=answers | {"run": [asks, OK]})
    assert [each.body["text"] for each in ran.asked if each.path.endswith("/input")] == [None]


def test_exec_interrupts_first_and_leaves_then():
    asked = OK | {"status": "error", "result": None, "stdout": "", "stderr": ""}
    error = {"type": "KeyboardInterrupt", "message": "", "traceback": "KeyboardInterrupt"}
    post = f"POST /v1/sessions/{ID}/execute"
    ended = [KeyboardInterrupt(), asked | {"error": error}]
    ran = Ran(
        "session exec fit -c", "x", answers={post: asked | {"status": "continued"}, "run": ended}
    )
    assert ran.code == 130
    assert [each.path.rsplit("/", 1)[-1] for each in ran.asked].count("interrupt") == 1
    twice = [KeyboardInterrupt(), KeyboardInterrupt()]
    with pytest.raises(KeyboardInterrupt):
        Ran(
            "session exec fit -c",
            "x",
            answers={post: asked | {"status": "continued"}, "run": twice},
        )


def test_exec_that_nobody_reads_interrupts_its_code():
    """`| head -1` leaves no code running. Let standard output break under the first words; the run is interrupted, once."""
    goes_on = OK | {"status": "continued", "result": None}
    answers = {f"POST /v1/sessions/{ID}/execute": goes_on}
    platform = Platform(ANSWERS | answers)
    given = arguments.parse(["session", "exec", "fit", "-c", "x"])
    unread = console.Console(Unread(), io.StringIO(), Noon(), as_json=False)
    with pytest.raises(BrokenPipeError):
        execute.execute(given, platform, unread)
    interrupts = [each.body for each in platform.asked if each.path.endswith("/interrupt")]
    assert interrupts == [{"run": platform.asked[1].body["run"]}]


def test_exec_comes_back_after_a_broken_connection(monkeypatch):
    monkeypatch.setattr("quarterdeck.base.clock.pause", lambda _: None)
    post = f"POST /v1/sessions/{ID}/execute"
    broken = [Unreachable("away"), Unreachable("away"), OK]
    ran = Ran(
        "session exec fit -c", "x", answers={post: OK | {"status": "continued"}, "run": broken}
    )
    assert ran.code == 0


def test_exec_reads_a_file_or_standard_input(tmp_path, monkeypatch):
    (tmp_path / "a.py").write_text("file()", encoding="utf-8")
    ran = Ran("session exec fit", str(tmp_path / "a.py"))
    assert executed(ran) == {"code": "file()", "stdin": True}
    monkeypatch.setattr("sys.stdin", typed(b"stdin()"))
    assert executed(Ran("session exec fit")) == {"code": "stdin()"}
    monkeypatch.setattr("sys.stdin", typed(b"\xff"))
    with pytest.raises(FileUnusable, match="standard input is not text in UTF-8"):
        Ran("session exec fit")


def test_exec_with_standard_input_closed_has_none(monkeypatch):
    """A session does not wait for an answer that never comes. Ask without any input; the code is told that there is no more."""
    monkeypatch.setattr("sys.stdin", None)
    asks = OK | {"status": "waiting-input", "question": {"number": 1}, "result": None}
    answers = {f"POST /v1/sessions/{ID}/execute": asks, "run": [asks, OK]}
    ran = Ran("session exec fit -c", "input()", answers=answers)
    assert [each.body["text"] for each in ran.asked if each.path.endswith("/input")] == [None]
    with pytest.raises(FileUnusable, match="standard input is closed"):
        Ran("session exec fit")
