"""Which log lines fail a test, and which of them somebody allowed."""

import pytest

from shakeout.report import bad_lines
from shakeout.report.errors import BadLogLines
from shakeout.report.model import Level, Line
from shakeout.system.allowed import AllowedLine


def line(component="manager", level=Level.ERROR, event="lost", **fields):
    return Line(1.0, component, level, event, fields=fields)


def is_bad(one, *allowed):
    return bool(bad_lines.find([one], {"postgres", "redis"}, allowed))


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (line(), True),
        (line(level=Level.CRITICAL), True),
        (line(level=Level.WARNING), False),
        (line(level=Level.INFO, event="KeyError\nTraceback (most recent call last):"), True),
        (line("postgres", event="ERROR: duplicate key"), False),
        (line("postgres", Level.CRITICAL, "PANIC: no disk"), True),
        (line("postgres", Level.CRITICAL, "FATAL: no such role"), True),
        (line("postgres", Level.INFO, "FATAL: connection to client lost"), False),
        (line("c2.postgres", event="ERROR: duplicate key"), False),
    ],
)
def test_bad_lines_are_errors_of_components_and_the_end_of_services(one, expected):
    assert is_bad(one) is expected


@pytest.mark.parametrize(
    ("allowed", "expected"),
    [
        (AllowedLine("lost"), False),
        (AllowedLine("^lost$"), False),
        (AllowedLine("found"), True),
        (AllowedLine("lost", component="manager"), False),
        (AllowedLine("lost", component="agent"), True),
    ],
)
def test_bad_lines_can_be_allowed_by_pattern_and_component(allowed, expected):
    assert is_bad(line(), allowed) is expected


def test_replicas_are_allowed_by_the_name_of_their_component():
    allowed = AllowedLine("lost", component="agent")
    assert not is_bad(line("agent-2"), allowed)
    assert not is_bad(line("c2.agent-2"), allowed)
    assert is_bad(line("agent-proxy"), allowed)


def test_patterns_see_the_fields_too():
    assert not is_bad(line(session="s-1"), AllowedLine('lost .*"session": "s-1"'))


@pytest.mark.parametrize(
    ("of_boot", "told"),
    [
        (0, "components logged 2 bad lines:"),
        (1, "2 bad lines, 1 of them while they were booted, before this test"),
        (2, "2 bad lines while they were booted, before this test"),
    ],
)
def test_the_failure_says_what_was_logged_before_the_test(of_boot, told):
    assert told in str(BadLogLines([line(), line()], of_boot))


def test_the_failure_lists_the_lines_and_says_what_to_do():
    told = str(BadLogLines([line(event=f"lost {number}") for number in range(12)]))
    assert "12 bad lines" in told
    assert "00:00:01.000 manager error: lost 0" in told
    assert "and 2 more" in told
    assert "allows_log" in told
