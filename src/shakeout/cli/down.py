"""`shakeout down`: end a running system and wait until it is gone, with its members and its directory."""

import argparse
import json
import os
import select
import signal
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from shakeout import settings
from shakeout.cli import text
from shakeout.hand import state
from shakeout.hand.errors import NothingRuns, StillThere
from shakeout.hand.state import UpState
from shakeout.process import procfs
from shakeout.process.procfs import Stat

ASKED_SECONDS_MAX = 15.0
KILLED_SECONDS_MAX = 5.0
GONE_SECONDS_MAX = 10.0
"""From the end of the process that held the system to that of all else: its reaper sees to it."""

LOOK_SECONDS = 0.02


def run(options: argparse.Namespace) -> int:
    """Ask `up` to end, kill it if it does not; its reaper then does the rest.

    Raises NothingRuns, SeveralRun, StillThere.
    """
    found = state.choose(settings.read().home, options.name)
    killed = end(found)
    if options.json:
        text.say(json.dumps({"name": found.name, "killed": killed}))
    else:
        text.say(f"{found.name} is down{', but had to be killed' if killed else ''}")
    return 0


def end(found: UpState) -> bool:
    """Returns, when nothing of it is left, whether it had to be killed.

    Raises NothingRuns when it ended meanwhile, StillThere when something stays.
    """
    try:
        descriptor = os.pidfd_open(found.pid)
    except ProcessLookupError:
        raise NothingRuns(found.name) from None
    try:
        if not found.alive:  # the descriptor pins the pid: from here on it cannot be another's
            raise NothingRuns(found.name)
        processes = _processes(found)
        killed = not _ended(descriptor, signal.SIGTERM, ASKED_SECONDS_MAX)
        if killed:
            _ended(descriptor, signal.SIGKILL, KILLED_SECONDS_MAX)
    finally:
        os.close(descriptor)
    deadline = time.monotonic() + GONE_SECONDS_MAX
    while left := list(_left(found, processes)):
        if time.monotonic() > deadline:
            raise StillThere(found.name, left)
        select.select([], [], [], LOOK_SECONDS)
    return killed


def _processes(found: UpState) -> dict[str, Stat]:
    """The processes of the system that live, by name."""
    pids = {"the process that holds it": found.pid, **{one.name: one.pid for one in found.members}}
    seen = {name: procfs.stat(pid) for name, pid in pids.items() if pid}
    return {name: one for name, one in seen.items() if one is not None and one.alive}


def _left(found: UpState, processes: Mapping[str, Stat]) -> Iterator[str]:
    """What is there of it, in words. A pid may be another's by now, who began later."""
    for name, before in processes.items():
        now = procfs.stat(before.pid)
        if now is not None and now.alive and now.started == before.started:
            yield f"{name}: pid {now.pid} lives, in state {now.state}"
    if Path(found.directory).exists():
        yield f"its directory {found.directory}"


def _ended(descriptor: int, number: int, within_seconds: float) -> bool:
    signal.pidfd_send_signal(descriptor, number)
    return bool(select.select([descriptor], [], [], within_seconds)[0])
