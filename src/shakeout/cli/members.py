"""`shakeout start | stop | restart | kill`: one member of a running system, by hand."""

import argparse
import json

from shakeout import settings
from shakeout.cli import text
from shakeout.hand import asking, state


def run(options: argparse.Namespace) -> int:
    """Do it and tell how the member stands. Raises NothingRuns, SeveralRun, NotAnswering, Misused, Refused."""
    found = state.choose(settings.read().home, options.name)
    did = asking.ask(found, {"do": options.command, "member": options.member})
    if options.json:
        text.say(json.dumps(did))
    else:
        pid = f", pid {did['pid']}" if did["pid"] else ""
        text.say(f"{did['member']} is {did['state']}{pid}")
    return 0
