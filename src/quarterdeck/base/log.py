"""Log lines as JSON on standard error: time, level, component, logger, event, trace, fields; exceptions with their traceback.

Modules use `logging.getLogger(__name__)` and log events, not prose: `_log.info("kernel-started", extra={"kernel": id})`.
Everything in `extra` arrives under `fields`; a `Secret` arrives as stars.
"""

import contextvars
import json
import logging
import os
import sys
import types
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from quarterdeck.base.config import Secret

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_NOTHING: Mapping[str, object] = types.MappingProxyType({})
_bound: contextvars.ContextVar[Mapping[str, object]] = contextvars.ContextVar(
    "bound", default=_NOTHING
)


def configure(component: str, level: str = "INFO") -> None:
    """Send every log record of this process to standard error as JSON lines, and warnings with them."""
    handler = _LineHandler()
    handler.setFormatter(JsonFormatter(component))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging.captureWarnings(capture=True)


class bind:  # noqa: N801 - used like a function: `with log.bind(trace=...):`
    """Add fields to each line logged within a block, in this task and the tasks it starts. `trace` becomes the trace id."""

    __slots__ = ("_fields", "_token")

    def __init__(self, **fields: object) -> None:
        self._fields = fields

    def __enter__(self) -> None:
        self._token = _bound.set({**_bound.get(), **self._fields})

    def __exit__(self, *_: object) -> None:
        _bound.reset(self._token)


def trace() -> str | None:
    """Return the trace id bound in this context."""
    value = _bound.get().get("trace")
    return value if isinstance(value, str) else None


class JsonFormatter(logging.Formatter):
    """Turns a record into one line of JSON."""

    def __init__(self, component: str) -> None:
        super().__init__()
        self._component = component
        self._encode = json.JSONEncoder(
            default=_plain, ensure_ascii=False, separators=(",", ":")
        ).encode

    def format(self, record: logging.LogRecord) -> str:
        bound = dict(_bound.get())
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="microseconds"),
            "level": record.levelname.lower(),
            "component": self._component,
            "logger": record.name,
            "event": record.getMessage(),
        }
        if (bound_trace := bound.pop("trace", None)) is not None:
            line["trace"] = bound_trace
        extra = {key: value for key, value in vars(record).items() if key not in _STANDARD}
        if fields := bound | extra:
            line["fields"] = fields
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return self._encode(line)


class _LineHandler(logging.Handler):
    """Writes each line by one system call, so that lines of several processes on one file do not mix."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            data = (self.format(record) + "\n").encode(errors="replace")
            while data:
                data = data[os.write(sys.__stderr__.fileno() if sys.__stderr__ else 2, data) :]
        except (OSError, ValueError, TypeError, RecursionError):
            self.handleError(record)


def _plain(value: object) -> object:
    if isinstance(value, Secret):
        return str(value)
    if isinstance(value, (set, frozenset)):
        return sorted(map(str, value))
    return str(value)
