"""Reads what the members of one cluster log during a test, each line with the time at which it was written.

Most lines tell their time. Of the others it is known how long the log was at which moment: `note_sizes` is called now
and then while the test runs, by the sampler.
"""

import bisect
import dataclasses
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, Protocol

from shakeout.process import logs
from shakeout.process.logs import LogLine
from shakeout.report import log_lines
from shakeout.report.model import Level, Line
from shakeout.timeline import moment

SIZES_MAX = 10_000
TROUBLE = re.compile(r"error|critical|fatal|panic|traceback", re.IGNORECASE)


class Logged(Protocol):
    """What has members with logs: a cluster."""

    @property
    def names(self) -> tuple[str, ...]:
        """Of the members."""

    def log(self, name: str) -> Path:
        """Log file of a member."""


class Reader:
    """Reads on from where the last time ended."""

    def __init__(
        self,
        cluster: Logged,
        *,
        from_boot: bool,
        ahead: bool = False,
        prefix: str = "",
        clock: Callable[[], float] = moment.now,
    ) -> None:
        """`from_boot` when nobody used the cluster before: what it has logged is this test's to judge.

        It belongs to the test's story, too, unless the cluster was booted `ahead` of it.
        """
        self._prefix = prefix
        self._clock = clock
        self._logs = {name: _Log(name, cluster.log(name)) for name in cluster.names}
        self.boot_lines = self._read() if from_boot else []
        """Since the boot, until the use began."""
        self._ahead = ahead
        for log in self._logs.values():
            log.note_size(clock())
            if not from_boot:
                log.skip()
        self.lines: list[Line] = []
        """Since the use began."""

    @property
    def story(self) -> list[Line]:
        """What belongs to the story of the test."""
        return self.lines if self._ahead else [*self.boot_lines, *self.lines]

    def note_sizes(self) -> None:
        """Note how long each log is now. From any thread."""
        for log in self._logs.values():
            log.note_size(self._clock())

    def read(self) -> None:
        """Read what is new."""
        self.lines += self._read()

    def _read(self) -> list[Line]:
        now = self._clock()
        found: list[Line] = []
        for name, log in self._logs.items():
            found += log_lines.on_the_clock(self._prefix + name, log.read(now), now)
        return found


class _Log:
    """One log file, as far as it was read, and how long it was when."""

    def __init__(self, name: str, path: Path) -> None:
        self._name = name
        self._path = path
        self._start = 0
        self._sizes: list[tuple[int, float]] = []
        """Bytes and moments, both growing."""

    def note_size(self, now: float) -> None:
        size = logs.position(self._path)
        if size > (self._sizes[-1][0] if self._sizes else 0) and len(self._sizes) < SIZES_MAX:
            self._sizes.append((size, now))

    def skip(self) -> None:
        """Leave out what has been written up to now."""
        self._start = logs.position(self._path)

    def read(self, now: float) -> list[LogLine]:
        """Lines from where the last time ended, those without a time with the moment they were seen at.

        Of more than `READ_BYTES_MAX` the last ones, and what tells trouble of those before.
        """
        found: list[LogLine] = []
        try:
            with self._path.open("rb") as file:
                end = os.fstat(file.fileno()).st_size
                while end - self._start > logs.READ_BYTES_MAX:
                    found += self._troubled(_piece(file, self._start), now)
                return found + self._all(_piece(file, self._start), now)
        except OSError:
            return found

    def _all(self, data: bytes, now: float) -> list[LogLine]:
        begun, self._start = self._start, self._start + len(data)
        return list(self._lines(data, begun, now))

    def _troubled(self, data: bytes, now: float) -> list[LogLine]:
        """Of more than anybody reads: what may fail the test."""
        return [line for line in self._all(data, now) if _is_trouble(line)]

    def _lines(self, data: bytes, offset: int, now: float) -> Iterator[LogLine]:
        for raw in data.splitlines(keepends=True):
            offset += len(raw)
            text = raw.decode(errors="replace").rstrip("\r\n")
            if text.strip():
                line = logs.parse(text, self._name)
                untimed = not line.time and "ts" not in line.fields
                yield dataclasses.replace(line, time=self._seen(offset, now)) if untimed else line

    def _seen(self, offset: int, now: float) -> str:
        """When the log was first seen to be so long."""
        index = bisect.bisect_left(self._sizes, offset, key=lambda each: each[0])
        return moment.iso(self._sizes[index][1] if index < len(self._sizes) else now)


def _is_trouble(line: LogLine) -> bool:
    return bool(TROUBLE.search(line.raw)) or log_lines.level_of_line(line).rank >= Level.ERROR.rank


def _piece(file: BinaryIO, start: int) -> bytes:
    """So much of a file as is read at once; where more follows, up to the end of a line if there is one."""
    file.seek(start)
    data = file.read(logs.READ_BYTES_MAX)
    if len(data) < logs.READ_BYTES_MAX:
        return data
    return data[: data.rfind(b"\n") + 1] or data
