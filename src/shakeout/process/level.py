"""How severe a record of a log is, whoever wrote it: one of five words, for `process.logs` and `report.log_lines`.

Understood are, in this order:

- words, in any spelling, under `level`, `severity`, `levelname`, `level_name`, `lvl`, `log.level` (also nested), `@l`,
  `LogLevel`, `severityText` or `severity_text`: zap, logrus, zerolog, slog, structlog, Google Cloud, ECS, Serilog,
  Monolog, OpenTelemetry;
- numbers, also as text: `severityNumber` or `severity_number` as OpenTelemetry counts, `levelno` or `level_number` as
  Python does, and `level`, `severity`, `lvl` or `PRIORITY`: 0 to 7 are syslog's (GELF, journald), 10 to 60 pino's and
  bunyan's where the record looks like one of theirs, and else Python's, of which 40 is an error already.

Beside an `event`, `level` and `lvl` are none of syslog's: who writes events (structlog, our components) tells levels in
words, and 0 is that of a compaction. A word or number that means nothing here is passed over.
"""

import bisect
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

DEBUG, INFO, WARNING, ERROR, CRITICAL = "debug", "info", "warning", "error", "critical"

_WORD_KEYS = (
    "level",
    "severity",
    "levelname",
    "level_name",
    "lvl",
    "log.level",
    "@l",
    "LogLevel",
    "severityText",
    "severity_text",
)
_NUMBER_KEYS = ("level", "severity", "lvl", "PRIORITY")
_COMMON_KEYS = frozenset({"level", "lvl"})
"""Of those, what may be called so without being how severe it is."""
_PYTHON_KEYS = ("levelno", "level_number")
_OPEN_TELEMETRY_KEYS = ("severityNumber", "severity_number")
_WORDS: Mapping[str, str] = {
    **dict.fromkeys(("trace", "debug", "verbose", "fine", "finer", "finest"), DEBUG),
    **dict.fromkeys(("info", "information", "log", "notice", "default", "config"), INFO),
    **dict.fromkeys(("warn", "warning"), WARNING),
    **dict.fromkeys(("error", "err", "eror", "severe", "exception"), ERROR),
    **dict.fromkeys(("dpanic", "fatal", "panic", "crit", "critical"), CRITICAL),
    **dict.fromkeys(("alert", "emerg", "emergency"), CRITICAL),
}
_OFFSET = re.compile(r"[+-]\d+$")
"""`ERROR+2`, as slog of Go writes a level between two."""
_SYSLOG = (CRITICAL, CRITICAL, CRITICAL, ERROR, WARNING, INFO, INFO, DEBUG)
_RISING = (DEBUG, INFO, WARNING, ERROR, CRITICAL)
_PYTHON = (20, 30, 40, 50)
"""The least number of each level but the first."""
_PINO = (30, 40, 50, 60)
_OPEN_TELEMETRY = (9, 13, 17, 21)
_NUMBER_MAX = 99
_MILLISECONDS_MIN = 1e11
"""Seconds of a time reach it in the year 5138."""


def of_word(word: str) -> str:
    """The level that a word names, in any spelling; empty if none."""
    return _WORDS.get(_OFFSET.sub("", word.strip().lower()), "")


def of_record(record: Mapping[str, Any]) -> str:
    """The level that the record of a JSON line tells; empty if none."""
    return next(filter(None, (*_words(record), *_numbers(record))), "")


def _words(record: Mapping[str, Any]) -> Iterator[str]:
    for key in _WORD_KEYS:
        if isinstance(word := record.get(key), str):
            yield of_word(word)
    inner = record.get("log")
    if isinstance(inner, dict) and isinstance(word := inner.get("level"), str):
        yield of_word(word)


def _numbers(record: Mapping[str, Any]) -> Iterator[str]:
    for keys, least in ((_OPEN_TELEMETRY_KEYS, _OPEN_TELEMETRY), (_PYTHON_KEYS, _PYTHON)):
        for key in keys:
            if (number := _number(record.get(key))) is not None:
                yield _rising(number, least)
    for key in _NUMBER_KEYS:
        if (number := _number(record.get(key))) is not None:
            yield _of_number(key, number, record)


def _of_number(key: str, number: int, record: Mapping[str, Any]) -> str:
    if 0 <= number < len(_SYSLOG):
        return "" if key in _COMMON_KEYS and "event" in record else _SYSLOG[number]
    if 0 <= number <= _NUMBER_MAX:
        return _rising(number, _PINO if _is_pino(record) else _PYTHON)
    return ""


def _is_pino(record: Mapping[str, Any]) -> bool:
    """Of pino or bunyan: they tell milliseconds, or whose process on which host it was."""
    time = record.get("time")
    milliseconds = isinstance(time, int | float) and time >= _MILLISECONDS_MIN
    return milliseconds or {"pid", "hostname"} <= record.keys()


def _rising(number: int, least: Sequence[int]) -> str:
    return _RISING[bisect.bisect_right(least, number)]


def _number(value: object) -> int | None:
    """A number, also one that is written as text."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return int(value)
    except (ValueError, OverflowError):
        return None
