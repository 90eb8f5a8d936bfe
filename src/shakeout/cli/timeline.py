"""`shakeout timeline`: what was done to a running system and what its components logged, on one clock."""

import argparse
import itertools
import json
import os
import select
import shutil
import sys
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from shakeout import settings
from shakeout.cli import text
from shakeout.hand import asking, state
from shakeout.hand.errors import HandFault
from shakeout.hand.state import UpState
from shakeout.process import logs
from shakeout.process.logs import LogLine
from shakeout.report import log_lines
from shakeout.report.model import Level, Line
from shakeout.timeline import moment

LOOK_SECONDS = 0.2
COLOURS = {"warning": text.YELLOW, "error": text.RED, "critical": text.RED, "debug": text.DIM}
DONE = "*"
"""Who is named for what was done to the system."""


def run(options: argparse.Namespace) -> int:
    """Print the last entries; with --follow also what comes, until the system ends or Ctrl-C.

    Raises NothingRuns, SeveralRun, MemberUnknown, NotAnswering.
    """
    found = state.choose(settings.read().home, options.name)
    for name in options.only:
        found.member(name)
    reader = Reader(found)
    entries = [one for one in reader.news(options.lines) if _is_shown(one, options)]
    width = max((len(one.name) for one in found.members), default=1)
    try:
        for one in itertools.chain(
            entries[max(0, len(entries) - options.lines) :], _following(options, found, reader)
        ):
            _show(one, width, options)
    except KeyboardInterrupt:
        return 0
    return 0


class Reader:
    """Reads events and logs, each from where it stopped."""

    def __init__(self, found: UpState) -> None:
        self._found = found
        self._number = 0
        self._positions: dict[str, int] = {}
        self._last: dict[str, float] = {}

    def news(self, lines: int = 0) -> list[Line]:
        """What is new, in the order of time; the first time at most so many lines of each log."""
        told = asking.ask(self._found, {"do": "timeline", "after": self._number})["events"]
        self._number = max([self._number, *(one["number"] for one in told)])
        entries = [event(one) for one in told]
        for member in self._found.members:
            entries += self._log(member.name, Path(member.log), lines)
        return sorted(entries, key=lambda one: one.at)

    def _log(self, name: str, path: Path, lines: int) -> list[Line]:
        """A line without a time of its own takes that of the line before."""
        begun = self._positions.get(name)
        end = logs.position(path)
        self._positions[name] = end
        new = logs.tail(path, lines, name) if begun is None else _between(path, begun, end, name)
        at = self._last.get(name) or (moment.now() if begun else _written(path))
        read = log_lines.on_the_clock(name, new, at)
        if read:
            self._last[name] = read[-1].at
        return read


def event(told: Mapping[str, Any]) -> Line:
    """A line for something that was done. Pure."""
    fields = {name: value for name, value in told["fields"].items() if name != "targets"}
    targets = " -> ".join(told["fields"].get("targets", ()))
    kind = "" if told["kind"] == "step" else f"{told['kind']}: "
    level = Level.ERROR if "error" in fields else Level.INFO
    return Line(told["began"], DONE, level, f"{kind}{told['name']} {targets}".rstrip(), "", fields)


def _written(path: Path) -> float:
    """When a log was last written to, for lines that tell no time and stand behind none that does."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _between(path: Path, begun: int, end: int, name: str) -> list[LogLine]:
    return logs.since(path, begun, name) if end > begun else []


def _following(options: argparse.Namespace, found: UpState, reader: Reader) -> Iterator[Line]:
    if not options.follow:
        return
    descriptor = os.pidfd_open(found.pid)
    try:
        while not select.select([descriptor], [], [], LOOK_SECONDS)[0]:
            try:
                news = reader.news()
            except HandFault:  # it ended a moment ago
                return
            yield from (one for one in news if _is_shown(one, options))
    finally:
        os.close(descriptor)


def _is_shown(line: Line, options: argparse.Namespace) -> bool:
    wanted: Collection[str] = options.only or ()
    if line.component != DONE and wanted and line.component not in wanted:
        return False
    return line.component == DONE or line.level.rank >= Level(options.level).rank


def _show(line: Line, width: int, options: argparse.Namespace) -> None:
    fields = " ".join(f"{name}={value}" for name, value in line.fields.items())
    if options.json:
        record = {"at": line.at, "component": line.component, "level": line.level.value}
        text.say(json.dumps({**record, "event": line.event, "fields": dict(line.fields)}))
        return
    words = " ".join(filter(None, (line.event.replace("\n", " / "), fields)))
    whole = f"{moment.clock_time(line.at)} {line.component:<{width}} {words}"
    if text.is_terminal(sys.stdout):
        whole = whole[: shutil.get_terminal_size().columns]
    colour = text.BOLD if line.component == DONE else COLOURS.get(line.level.value, "0")
    text.say(text.coloured(whole, colour))
