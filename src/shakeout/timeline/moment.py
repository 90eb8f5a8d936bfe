"""Moments on the one clock of timelines: seconds since the epoch, as log lines and recordings carry them."""

import re
import time
from datetime import UTC, datetime

SINCE_EPOCH = re.compile(r"\d{9,19}(\.\d*)?")
"""Shorter ones are dates without separators."""
SECONDS_MAX = 1e11
UNITS = (1, 1e3, 1e6, 1e9)


def now() -> float:
    """Seconds since the epoch."""
    return time.time()  # noqa: TID251 - the clock that log lines of all components share


def parse(text: str) -> float | None:
    """Seconds since the epoch of an ISO 8601 time; UTC where it names no zone. None if it is none.

    A number since the epoch is one, too: of seconds, or as many digits as milli-, micro- and nanoseconds take.
    """
    if SINCE_EPOCH.fullmatch(text):
        return _seconds(float(text))
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _seconds(number: float) -> float:
    return next(number / unit for unit in UNITS if number / unit < SECONDS_MAX)


def iso(moment: float) -> str:
    """As `parse` reads it."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="microseconds")


def clock_time(moment: float) -> str:
    """`13:04:05.678`, in UTC."""
    return datetime.fromtimestamp(moment, UTC).strftime("%H:%M:%S.%f")[:-3]


def date_and_time(moment: float) -> str:
    """`2026-11-26 13:04:05`, in UTC."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M:%S")
