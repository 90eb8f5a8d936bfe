"""`shakeout ps`: the components of running systems, and what they cost."""

import argparse
import json
from dataclasses import asdict
from typing import Any

from shakeout import settings
from shakeout.cli import text, usage
from shakeout.cli.usage import Usage
from shakeout.hand import state
from shakeout.hand.errors import NothingRuns
from shakeout.hand.state import MemberState, UpState

HEAD = ("component", "pid", "state", "cpu", "memory", "uptime")


def run(options: argparse.Namespace) -> int:
    """Print one table a system. Raises NothingRuns only for a system asked for by name."""
    home = settings.read().home
    found = [one for one in state.running(home) if options.name in ("", one.name)]
    if options.name and not found:
        raise NothingRuns(options.name)
    if options.json:
        text.say(json.dumps([_record(one) for one in found]))
        return 0
    if not found:
        text.say("no system is up; `shakeout up package.module:system` boots one")
    for one in found:
        text.say(f"{text.coloured(one.name, text.BOLD)}  {one.target}  pid {one.pid}")
        for line in text.table(HEAD, [_row(member) for member in one.members]):
            text.say(line)
        text.say("")
    return 0


def _row(member: MemberState) -> tuple[str, ...]:
    cost = _cost(member)
    pid = str(member.pid or "-")
    if cost is None:
        return (member.name, pid, "ended" if member.pid else member.state, "-", "-", "-")
    return (
        member.name,
        pid,
        member.state,
        f"{cost.cpu_percent:.1f}%",
        text.size(cost.memory_bytes),
        text.duration(cost.uptime_seconds),
    )


def _record(found: UpState) -> dict[str, Any]:
    """The state without its secrets, with the cost of each member."""
    record = asdict(found)
    del record["environment"]
    for member, entry in zip(found.members, record["members"], strict=True):
        cost = _cost(member)
        entry["usage"] = (
            None if cost is None else {**asdict(cost), "cpu_percent": cost.cpu_percent}
        )
    return record


def _cost(member: MemberState) -> Usage | None:
    return usage.measure(member.pid) if member.pid else None
