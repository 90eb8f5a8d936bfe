"""`shakeout down`: end a running system and wait until it is gone."""

import argparse
import json
import os
import select
import signal

from shakeout import settings
from shakeout.cli import text
from shakeout.hand import state
from shakeout.hand.errors import NothingRuns
from shakeout.hand.state import UpState

ASKED_SECONDS_MAX = 15.0
KILLED_SECONDS_MAX = 5.0


def run(options: argparse.Namespace) -> int:
    """Ask `up` to end, kill it if it does not; its reaper then does the rest.

    Raises NothingRuns, SeveralRun.
    """
    found = state.choose(settings.read().home, options.name)
    killed = end(found)
    if options.json:
        text.say(json.dumps({"name": found.name, "killed": killed}))
    else:
        text.say(f"{found.name} is down{', but had to be killed' if killed else ''}")
    return 0


def end(found: UpState) -> bool:
    """Returns whether it had to be killed. Raises NothingRuns when it ended meanwhile."""
    try:
        descriptor = os.pidfd_open(found.pid)
    except ProcessLookupError:
        raise NothingRuns(found.name) from None
    try:
        if not found.alive:  # the descriptor pins the pid: from here on it cannot be another's
            raise NothingRuns(found.name)
        return not _ended(descriptor, signal.SIGTERM, ASKED_SECONDS_MAX) and _ended(
            descriptor, signal.SIGKILL, KILLED_SECONDS_MAX
        )
    finally:
        os.close(descriptor)


def _ended(descriptor: int, number: int, within_seconds: float) -> bool:
    signal.pidfd_send_signal(descriptor, number)
    return bool(select.select([descriptor], [], [], within_seconds)[0])
