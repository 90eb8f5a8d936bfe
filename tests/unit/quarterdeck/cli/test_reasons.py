"""Why a session waits or ended: the platform's words where it has some, and always something to do where there is something to do."""

import pytest

from quarterdeck.cli import reasons
from quarterdeck.manager.sessions.model import Reason

BASE = {"id": "0190a0a0-0000-7000-8000-000000000001", "name": None, "reason": None}


def session(status, **more):
    return BASE | {"status": status} | more


@pytest.mark.parametrize(
    ("view", "what", "next_"),
    [
        (session("PENDING"), "waits for a place", "qd session cancel 00000001"),
        (
            session("PENDING", reason="no-room", detail="waits for slots"),
            "waits for slots",
            "qd session ls",
        ),
        (session("PENDING", reason="queued", detail="is about to be placed"), "is about", ""),
        (session("CREATING"), "its kernel is being made", ""),
        (session("RUNNING"), "", ""),
        (session("TERMINATED", reason="user-requested"), "ended on request", ""),
        (session("TERMINATED", reason="agent-lost"), "its agent was lost", "qd session create"),
        (
            session("TERMINATED", reason="task-failed", exit_code=3, name="fit"),
            "its command has failed (exit code 3)",
            "qd session logs fit",
        ),
        (
            session("TERMINATED", reason="self-terminated", detail="killed: memory limit 256 MiB"),
            "its process ended by itself: killed: memory limit 256 MiB",
            "qd session logs",
        ),
        (session("TERMINATED", reason="new-reason"), "new reason", "qd session show"),
    ],
)
def test_words_for_a_session(view, what, next_):
    why = reasons.of(view)
    assert why.what.startswith(what)
    assert next_ in why.next


@pytest.mark.parametrize("reason", [*Reason, "dependency-failed"])
def test_every_reason_of_the_platform_has_words(reason):
    assert reason in reasons._ENDED


def test_long_words_are_cut():
    assert len(reasons.of(session("CANCELLED", reason="x", detail="y" * 999)).what) < 300


@pytest.mark.parametrize(
    ("view", "text"),
    [
        (session("TERMINATED", type="batch", result="SUCCESS"), "SUCCESS"),
        (session("TERMINATED", type="batch", result="FAILURE", exit_code=3), "FAILURE 3"),
        (session("TERMINATED", type="interactive", result="FAILURE"), "FAILURE"),
        (session("TERMINATED", type="interactive", result="SUCCESS"), "TERMINATED"),
        (session("RUNNING"), "RUNNING"),
    ],
)
def test_state_in_a_table(view, text):
    assert reasons.status(view) == text


def test_table_has_the_platforms_words():
    assert reasons.briefly(session("RUNNING", detail="x"), {}) == ""
    assert reasons.briefly(session("PENDING", detail="needs 4 cpu"), {}) == "needs 4 cpu"
    assert reasons.briefly(session("PENDING"), {}) == "waits for a place"
    later = session("PENDING", depends_on=["a", "b"])
    assert reasons.briefly(later, {"b": "fit"}) == "waits for fit"
    assert reasons.briefly(later, {}) == "waits for a place"
