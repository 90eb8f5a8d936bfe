"""What the errors say."""

from shakeout.process import errors, logs
from shakeout.process.spawn import Exit


def test_component_died_shows_how_and_its_last_lines():
    lines = logs.parse_all("\n".join(f"line {number}" for number in range(30)))
    error = errors.ComponentDied("manager", Exit(code=1), lines)
    shown = str(error).splitlines()
    assert shown[0] == "manager exited with code 1"
    assert shown[1] == "last 20 log lines:"
    assert shown[2:] == [f"  | line {number}" for number in range(10, 30)]


def test_component_that_logged_nothing_says_so():
    assert "logged nothing" in str(errors.ComponentDied("agent", Exit(signal=9)))


def test_start_that_timed_out_tells_what_was_missing():
    error = errors.StartTimedOut("manager", 1.5, "GET /health: connection refused")
    assert str(error).startswith("manager not ready within 1.5 s: GET /health: connection refused")


def test_import_failure_carries_the_traceback():
    error = errors.ImportFailed("broken", "Traceback ...\nKeyError: 'x'")
    assert isinstance(error, errors.StartFailed)
    assert "import of broken failed" in str(error)
    assert "KeyError" in str(error)
