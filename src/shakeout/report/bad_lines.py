"""Which log lines fail a test: errors of components, tracebacks, and a PostgreSQL that gives up. Pure."""

import json
from collections.abc import Collection, Iterable

from shakeout.report import log_lines
from shakeout.report.model import Level, Line
from shakeout.system.allowed import AllowedLine

BAD_OF_SERVICES = ("PANIC:", "FATAL:")


def find(
    lines: Iterable[Line], services: Collection[str], allowed: Collection[AllowedLine]
) -> list[Line]:
    """The bad lines that nobody allowed; of `services`, which log errors of their clients, only the worst."""
    return [
        line
        for line in lines
        if _is_bad(line, is_service=line.component.rpartition(".")[2] in services)
        and not any(one.allows(line.component, text(line)) for one in allowed)
    ]


def text(line: Line) -> str:
    """What patterns are searched in: the event and, as JSON, the fields."""
    if not line.fields:
        return line.event
    return f"{line.event} {json.dumps(dict(line.fields), default=str, ensure_ascii=False)}"


def _is_bad(line: Line, *, is_service: bool) -> bool:
    if is_service:
        return line.event.startswith(BAD_OF_SERVICES) and line.level is Level.CRITICAL
    return line.level.rank >= Level.ERROR.rank or log_lines.TRACEBACK in line.event
