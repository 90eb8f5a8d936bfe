"""Log files of components: parse a line, read the last ones, read what came since a position.

A component writes JSON lines (time, level, component, event, and any further fields) or plain text
(a traceback, a program of somebody else). `follow` waits for more.
"""

import dataclasses
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from shakeout.process import level

BLOCK_BYTES = 8192
LINE_BYTES_MAX = 1 << 20
READ_BYTES_MAX = 8 << 20

_NAMED = ("time", "level", "component", "event")


@dataclasses.dataclass(frozen=True)
class LogLine:
    """One line. Plain text has its words in `event`, and neither time nor level.

    The level is one of debug, info, warning, error and critical, whatever the writer calls it (`process.level`); a word
    that nobody knows stays as it is.
    """

    raw: str
    event: str
    time: str = ""
    level: str = ""
    component: str = ""
    fields: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def __str__(self) -> str:
        if self.raw == self.event:
            return self.raw
        named = " ".join(f"{key}={_shown(value)}" for key, value in self.fields.items())
        return " ".join(part for part in (self.time, self.level, self.event, named) if part)


def parse(raw: str, component: str = "") -> LogLine:
    """Make a line of the text; `component` names the writer where the line itself does not."""
    record = _record(raw)
    if record is None:
        return LogLine(raw=raw, event=raw, component=component)
    return LogLine(
        raw=raw,
        event=str(record.get("event", "")),
        time=str(record.get("time", "")),
        level=level.of_record(record) or str(record.get("level", "")),
        component=str(record.get("component", component)),
        fields={key: value for key, value in record.items() if key not in _NAMED},
    )


def parse_all(text: str, component: str = "") -> list[LogLine]:
    """Parse each line of the text that is not blank."""
    return [parse(line, component) for line in text.splitlines() if line.strip()]


def tail(path: Path, count: int, component: str = "") -> list[LogLine]:
    """Read the last `count` lines, of a file of any size; none if it cannot be read."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return []
    try:
        text = _last_bytes(descriptor, count).decode(errors="replace")
    except OSError:
        return []
    finally:
        os.close(descriptor)
    lines = parse_all(text, component)
    return lines[max(0, len(lines) - count) :]


def position(path: Path) -> int:
    """Where the file ends now, to give to `since` later; 0 if there is no file yet."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def since(path: Path, start: int, component: str = "") -> list[LogLine]:
    """Read the lines from byte `start` on; at most the last 8 MiB of them."""
    try:
        with path.open("rb") as file:
            file.seek(max(start, position(path) - READ_BYTES_MAX))
            return parse_all(file.read().decode(errors="replace"), component)
    except FileNotFoundError:
        return []


def _record(raw: str) -> dict[str, Any] | None:
    if not raw.startswith("{"):
        return None
    try:
        record = json.loads(raw)
    except (ValueError, RecursionError):  # no JSON, or brackets without end
        return None
    return record if isinstance(record, dict) else None


def _last_bytes(descriptor: int, lines: int) -> bytes:
    """Read backwards, a block at a time, until enough line ends were seen."""
    end = os.fstat(descriptor).st_size
    stop = max(0, end - READ_BYTES_MAX)
    blocks: list[bytes] = []
    while end > stop and _line_ends(blocks) <= lines:
        start = max(stop, end - BLOCK_BYTES)
        blocks.insert(0, os.pread(descriptor, end - start, start))
        end = start
    return b"".join(blocks)


def _line_ends(blocks: Sequence[bytes]) -> int:
    return sum(block.count(b"\n") for block in blocks)


def _shown(value: Any) -> str:
    return value if isinstance(value, str) and " " not in value else json.dumps(value)
