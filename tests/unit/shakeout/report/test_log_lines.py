"""Log lines of many writers, put on one clock and given levels."""

import pytest

from shakeout.process import logs
from shakeout.report import log_lines
from shakeout.report.model import Level

SECOND = 1_795_656_000.0  # 2026-11-26 02:40:00 UTC minus what the lines below say


def read(text: str, since: float = 5.0):
    return log_lines.on_the_clock("it", logs.parse_all(text, "it"), since)


@pytest.mark.parametrize(
    ("text", "at", "level", "event"),
    [
        (
            '{"time":"1970-01-01T00:00:07.500000+00:00","level":"warning","event":"slow","trace":"a1"}',
            7.5,
            Level.WARNING,
            "slow",
        ),
        (
            '{"level":"warn","ts":"1970-01-01T00:00:08.250Z","caller":"x.go:1","msg":"took too long"}',
            8.25,
            Level.WARNING,
            "took too long",
        ),
        (
            '1970-01-01 00:00:09.125 UTC [42] ERROR:  relation "x" does not exist',
            9.125,
            Level.ERROR,
            'ERROR: relation "x" does not exist',
        ),
        (
            "1970-01-01 00:00:09.125 UTC [42] FATAL:  the database system is starting up",
            9.125,
            Level.INFO,
            "FATAL: the database system is starting up",
        ),
        (
            "1970-01-01 00:00:09.125 UTC [42] FATAL:  terminating autovacuum process due to administrator command",
            9.125,
            Level.INFO,
            "FATAL: terminating autovacuum process due to administrator command",
        ),
        (
            "1970-01-01 00:00:09.125 UTC [42] PANIC:  no disk",
            9.125,
            Level.CRITICAL,
            "PANIC: no disk",
        ),
        ("7:M 01 Jan 1970 00:00:03.000 * Ready", 3.0, Level.INFO, "Ready"),
        (
            "7:M 01 Jan 1970 00:00:03.000 # Server initialized",
            3.0,
            Level.INFO,
            "Server initialized",
        ),
        ("7:M 01 Jan 1970 00:00:03.000 # WARNING x", 3.0, Level.WARNING, "WARNING x"),
        ("hit a rock", 5.0, Level.INFO, "hit a rock"),
        ("ERROR:root:hit a rock", 5.0, Level.ERROR, "ERROR:root:hit a rock"),
        ("[CRITICAL] sinking", 5.0, Level.CRITICAL, "[CRITICAL] sinking"),
        ("ERRORS: none", 5.0, Level.INFO, "ERRORS: none"),
        ("0000-00-00 00:00:00,000 ERROR lost", 5.0, Level.ERROR, "ERROR lost"),
        ("0001-01-01 00:00:00,000 ERROR lost", 5.0, Level.ERROR, "ERROR lost"),
        ("7:M 99 Jan 1970 00:00:03.000 * Ready", 5.0, Level.INFO, "Ready"),
        ('{"level":50,"time":9500,"msg":"lost"}', 5.0, Level.CRITICAL, "lost"),
        (
            '{"level":50,"time":1795656000500,"pid":4,"hostname":"quay","msg":"lost"}',
            SECOND + 0.5,
            Level.ERROR,
            "lost",
        ),
        ('{"severity":"ERROR","message":"lost"}', 5.0, Level.ERROR, "lost"),
        (
            'time="1970-01-01T00:00:07Z" level=fatal msg=lost',
            7.0,
            Level.CRITICAL,
            'time="1970-01-01T00:00:07Z" level=fatal msg=lost',
        ),
        ("level=ERROR msg=lost", 5.0, Level.ERROR, "level=ERROR msg=lost"),
        (
            "1970-01-01T00:00:07.123456789Z ERROR quay: lost",
            7.123456,
            Level.ERROR,
            "ERROR quay: lost",
        ),
        ("1970-01-01 00:00:07.250+00:00 FATAL lost", 7.25, Level.CRITICAL, "FATAL lost"),
        (
            "E1127 13:04:05.000000    4 quay.go:7] lost",
            5.0,
            Level.ERROR,
            "E1127 13:04:05.000000    4 quay.go:7] lost",
        ),
        ("Fatal Python error: Aborted", 5.0, Level.CRITICAL, "Fatal Python error: Aborted"),
    ],
)
def test_lines_are_read_whoever_wrote_them(text, at, level, event):
    (line,) = read(text)
    assert (line.at, line.level, line.event) == (at, level, event)


def test_lines_carry_trace_and_inner_fields():
    (line,) = read('{"event":"x","trace":"a1","logger":"l","fields":{"session":"s-1"},"more":2}')
    assert line.trace == "a1"
    assert line.fields == {"more": 2, "session": "s-1"}


def test_lines_without_time_take_that_of_the_line_before():
    lines = read('first\n{"time":"1970-01-01T00:00:09+00:00","event":"x"}\nafter')
    assert [line.at for line in lines] == [5.0, 9.0, 9.0]


def test_a_traceback_is_one_bad_line_that_begins_with_its_exception():
    text = "before\nTraceback (most recent call last):\n  File a\n    raise\nKeyError: 'x'\nafter"
    before, traceback, after = read(text)
    assert traceback.level is Level.ERROR
    assert traceback.event.splitlines()[0] == "KeyError: 'x'"
    assert (before.event, after.event) == ("before", "after")


def test_a_traceback_that_is_cut_off_is_a_bad_line_all_the_same():
    assert [line.level for line in read("Traceback (most recent call last):\n  File a")] == [
        Level.ERROR
    ]


def test_indented_text_belongs_to_the_line_above():
    assert [line.event for line in read("usage:\n  one\n  two\nthree")] == [
        "usage:\n  one\n  two",
        "three",
    ]


def test_equal_neighbours_are_one_line_with_their_number():
    found = log_lines.collapsed(read("tick\ntick\ntock"))
    assert [(line.event, line.count) for line in found] == [("tick", 2), ("tock", 1)]
