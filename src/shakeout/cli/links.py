"""`shakeout links`: who talks to whom in a system brought up with `--links`, and how well; and make it worse."""

import argparse
import json
from typing import Any

from shakeout import settings
from shakeout.cli import text
from shakeout.hand import asking, state
from shakeout.hand.errors import Misused
from shakeout.links import behaviour as behaviours
from shakeout.links.behaviour import Behaviour, Flow
from shakeout.links.roster import STRANGER

HEAD = ("link", "open", "made", "forth", "back", "behaviour")
MILLISECONDS = 1000
KIBIBYTE = 1024


def run(options: argparse.Namespace) -> int:
    """Show all links, or change one. Raises NothingRuns, SeveralRun, MemberUnknown, NotAnswering, Misused, Refused."""
    found = state.choose(settings.read().home, options.name)
    change = act(options)
    for name in {options.source, options.target} - {"", STRANGER}:
        found.member(name)
    if change is None:
        did = asking.ask(found, {"do": "links"})
        did["links"] = [one for one in did["links"] if _is_wanted(one, options)]
        shown = text.table(HEAD, [_row(one) for one in did["links"]])
    else:
        did = asking.ask(found, {"do": "link", **change})
        shown = [f"{did['link']}: {brief(did['behaviour'])}"]
    for line in [json.dumps(did)] if options.json else shown:
        text.say(line)
    return 0


def act(options: argparse.Namespace) -> dict[str, Any] | None:
    """The request that the options stand for; None if they change nothing. Raises Misused. Pure."""
    changes = [name for name in CHANGES if getattr(options, name) not in (None, False)]
    if not changes:
        return None
    if not options.target:
        raise Misused(f"say which link: shakeout links SOURCE TARGET --{changes[0]} ...")
    ends = {"source": options.source, "target": options.target}
    if options.reset:
        return {**ends, "act": "reset"}
    if options.half_open:
        return {**ends, "act": "half-open", "believer": options.half_open}
    return {**ends, "act": "set", "behaviour": behaviours.encode(behaviour(options))}


def behaviour(options: argparse.Namespace) -> Behaviour:
    """The behaviour that the options describe; plain for --restore. Raises Misused. Pure."""
    if options.restore:
        return Behaviour()
    if options.cut:
        return Behaviour.severed()
    if options.deaf:
        return Behaviour.deaf_source() if options.deaf == "source" else Behaviour.deaf_target()
    if options.black_hole:
        return Behaviour.black_hole()
    bandwidth = options.bandwidth * KIBIBYTE if options.bandwidth is not None else float("inf")
    try:
        flow = Flow(
            delay_seconds=(options.delay or 0) / MILLISECONDS,
            jitter_seconds=(options.jitter or 0) / MILLISECONDS,
            bytes_per_second=bandwidth,
            reset_after_bytes=options.drop_after,
        )
    except ValueError as wrong:
        raise Misused(str(wrong)) from None
    return Behaviour(flow, flow)


CHANGES = (
    "delay",
    "jitter",
    "bandwidth",
    "drop_after",
    "cut",
    "black_hole",
    "deaf",
    "reset",
    "half_open",
    "restore",
)


def _is_wanted(link: dict[str, Any], options: argparse.Namespace) -> bool:
    return options.source in ("", link["source"]) and options.target in ("", link["target"])


def _row(link: dict[str, Any]) -> tuple[str, ...]:
    return (
        f"{link['source']} -> {link['target']}",
        str(link["open"]),
        str(link["connections"]),
        text.size(link["bytes_forth"]),
        text.size(link["bytes_back"]),
        brief(link["behaviour"]),
    )


def brief(behaviour: str) -> str:
    """Said once when it is the same in both directions: a row has 80 columns. Pure."""
    forth, _, back = behaviour.partition("; ")
    same = forth.removeprefix("forth: ")
    return f"both: {same}" if back == f"back: {same}" else behaviour
