"""Levels of log lines, whoever wrote them."""

import pytest

from shakeout.process import level

PINO = {"time": 1_795_656_000_000, "pid": 4, "hostname": "quay"}


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({"level": "ERROR"}, "error"),
        ({"level": "warn"}, "warning"),
        ({"level": "ERROR+2"}, "error"),
        ({"severity": "CRITICAL"}, "critical"),
        ({"severity": "ALERT"}, "critical"),
        ({"levelname": "ERROR"}, "error"),
        ({"log.level": "error"}, "error"),
        ({"log": {"level": "error"}}, "error"),
        ({"@l": "Fatal"}, "critical"),
        ({"level": 400, "level_name": "ERROR"}, "error"),
        ({"level": 50, **PINO}, "error"),
        ({"level": 60, **PINO}, "critical"),
        ({"level": 40, **PINO}, "warning"),
        ({"level": 35, **PINO}, "info"),
        ({"level": 40, "hostname": "quay", "pid": 4}, "warning"),
        ({"level": 50}, "critical"),
        ({"level": 40}, "error"),
        ({"level": "40"}, "error"),
        ({"level": 40.0, "time": "2026-11-27"}, "error"),
        ({"level": 30}, "warning"),
        ({"levelno": 40, **PINO}, "error"),
        ({"level": 3}, "error"),
        ({"level": 0}, "critical"),
        ({"level": 4}, "warning"),
        ({"severity": 6}, "info"),
        ({"severity": 3, "event": "lost"}, "error"),
        ({"level": 40, "event": "lost"}, "error"),
        ({"level": 3, "short_message": "lost"}, "error"),
        ({"PRIORITY": "3"}, "error"),
        ({"severityNumber": 17}, "error"),
        ({"severity_number": 9}, "info"),
    ],
)
def test_levels_are_understood_whatever_they_are_called(record, expected):
    assert level.of_record(record) == expected


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({"level": "info", "severity": "critical"}, "info"),
        ({"level": "gold", "severity": "error"}, "error"),
        ({"level": 7, "severity": "error"}, "error"),
    ],
)
def test_the_first_that_means_a_level_counts_and_words_come_before_numbers(record, expected):
    assert level.of_record(record) == expected


@pytest.mark.parametrize(
    "record",
    [
        {},
        {"level": "gold"},
        {"level": True},
        {"level": None},
        {"level": -3},
        {"level": 0, "event": "tables were compacted"},
        {"lvl": "3", "event": "tables were compacted"},
        {"level": 4711},
        {"level": float("nan")},
        {"level": float("inf")},
        {"level": [50]},
        {"log": "error"},
    ],
)
def test_what_means_no_level_is_none(record):
    assert level.of_record(record) == ""
