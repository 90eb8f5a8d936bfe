"""`shakeout fault`: what can be done to a running system; do it, see its effect, and undo it."""

import argparse
import json
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from shakeout import settings
from shakeout.cli import text
from shakeout.hand import asking, state
from shakeout.hand.errors import Misused

WIDTH = 80


def run(options: argparse.Namespace) -> int:
    """List, inject or undo. Raises NothingRuns, SeveralRun, NotAnswering, Misused, Refused."""
    found = state.choose(settings.read().home, options.name)
    tell = asking.silence if options.json else text.say
    if options.undo:
        did = asking.ask(found, {"do": "recover", "number": options.number}, tell)
        return _say(options, did, [] if did["undone"] else ["no fault stands"])
    if not options.fault:
        did = asking.ask(found, {"do": "faults"})
        return _say(options, did, catalogue(did))
    if not options.targets:
        raise Misused(f"say to whom: shakeout fault {options.fault} MEMBER")
    request = {
        "do": "inject",
        "fault": options.fault,
        "targets": options.targets,
        "seconds": options.seconds,
    }
    did = asking.ask(found, request, tell)
    stands = [f"it stands until `shakeout fault --undo {did['number']}`"]
    return _say(options, did, stands if options.seconds is None else [])


def catalogue(told: Mapping[str, Any]) -> list[str]:
    """The faults and whom they apply to, in lines of at most 80 characters; then those that stand."""
    width = max(len(one["name"]) for one in told["catalogue"])
    lines: list[str] = []
    for one in told["catalogue"]:
        lines += _folded(
            f"{one['name']:<{width}}  ", f"{one['summary']}: {applies(one['members'])}"
        )
    if told["standing"]:
        lines += ["", "standing now:"]
    for one in told["standing"]:
        until = "until undone" if one["seconds"] is None else f"for {one['seconds']:g} s"
        lines.append(f"  {one['number']}  {one['fault']} {' -> '.join(one['targets'])}, {until}")
    return [*lines, "", "shakeout fault NAME MEMBER --for SECONDS injects one"]


def applies(members: Mapping[str, str]) -> str:
    """Whom a fault applies to, or why nobody; `members` has reasons why not. Pure."""
    able = [name for name, reason in members.items() if not reason]
    if not able:
        reasons = sorted(set(members.values())) or ["nothing runs"]
        return f"none ({'; '.join(reasons)})"
    return "all" if len(able) == len(members) else ", ".join(able)


def _folded(head: str, words: str) -> Sequence[str]:
    return textwrap.wrap(
        words,
        WIDTH,
        initial_indent=head,
        subsequent_indent=" " * len(head),
        break_on_hyphens=False,
    )


def _say(options: argparse.Namespace, did: Mapping[str, Any], lines: Sequence[str]) -> int:
    for line in [json.dumps(did)] if options.json else lines:
        text.say(line)
    return 0
