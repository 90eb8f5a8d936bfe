"""`shakeout logs`: the log of one component, readable, filtered by level, followed on request."""

import argparse
import os
import select
import sys
from collections.abc import Iterator
from pathlib import Path

from shakeout import settings
from shakeout.cli import text
from shakeout.hand import state
from shakeout.hand.state import UpState
from shakeout.process import logs
from shakeout.process.logs import LogLine

LEVELS = ("debug", "info", "warning", "error", "critical")
COLOURS = {"debug": text.DIM, "warning": text.YELLOW, "error": text.RED, "critical": text.RED}
LOOK_SECONDS = 0.1


def run(options: argparse.Namespace) -> int:
    """Print the last lines; with --follow also what comes, until the system ends or Ctrl-C.

    Raises NothingRuns, SeveralRun, MemberUnknown.
    """
    found = state.choose(settings.read().home, options.name)
    path = Path(found.member(options.component).log)
    end = logs.position(path)
    for line in logs.tail(path, options.lines, options.component):
        _show(line, options)
    if options.follow:
        try:
            for raw in _following(found, path, end):
                _show(logs.parse(raw, options.component), options)
        except KeyboardInterrupt:
            return 0
    return 0


def is_shown(line: LogLine, level: str) -> bool:
    """Lines without a known level, such as tracebacks, always are. Pure."""
    found = line.level.lower()
    return found not in LEVELS or LEVELS.index(found) >= LEVELS.index(level)


def _show(line: LogLine, options: argparse.Namespace) -> None:
    if is_shown(line, options.level):
        shown = line.raw if options.json else str(line)
        text.say(text.coloured(shown, COLOURS.get(line.level.lower(), "0"), sys.stdout))


def _following(found: UpState, path: Path, position: int) -> Iterator[str]:
    """Whole lines as they are written, until the system has ended."""
    try:
        descriptor = os.pidfd_open(found.pid)
    except ProcessLookupError:
        return
    rest = b""
    try:
        ended: list[int] = []
        while not ended:
            ended, _, _ = select.select([descriptor], [], [], LOOK_SECONDS)
            new = _read(path, position)
            position += len(new)
            *lines, rest = (rest + new).split(b"\n")
            yield from (line.decode(errors="replace") for line in lines if line.strip())
    finally:
        os.close(descriptor)


def _read(path: Path, position: int) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(position)
            return file.read()
    except FileNotFoundError:
        return b""
