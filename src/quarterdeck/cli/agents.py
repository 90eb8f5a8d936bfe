"""`qd agent`: ls, drain, undrain. For administrators."""

import argparse
from typing import Any

from quarterdeck.base import clock as clocks
from quarterdeck.cli import console as console_module
from quarterdeck.cli.console import Console
from quarterdeck.client import api
from quarterdeck.client.errors import NotFound
from quarterdeck.client.transport import Transport

LOOK_SECONDS = 0.5


def ls(given: argparse.Namespace, transport: Transport, console: Console) -> int:
    """List agents."""
    items = transport.call(api.list_agents())["items"]
    if console.as_json:
        console.json(items)
    elif given.quiet:
        for item in items:
            console.say(item["id"])
    else:
        titles = ("ID", "STATUS", "CPU", "MIB", "KERNELS", "SEEN", "ADDRESS")
        console.table(titles, [_row(each, console) for each in items], flexible=6, painted=1)
    return 0


def drain(given: argparse.Namespace, transport: Transport, console: Console) -> int:
    """Have nothing new placed on an agent; with `wait` until nothing is left there."""
    agent = transport.call(api.drain_agent(given.agent, given.deadline))
    if given.wait:
        agent = _until_empty(given, transport, console)
    if console.as_json:
        console.json(agent)
    elif agent["kernels"]:
        left = "1 kernel is" if agent["kernels"] == 1 else f"{agent['kernels']} kernels are"
        console.say(f"{agent['id']}  drained; {left} still there{_deadline(agent)}")
    else:
        console.say(f"{agent['id']}  drained; nothing is left there")
    return 0


def undrain(given: argparse.Namespace, transport: Transport, console: Console) -> int:
    """Take an agent back into service."""
    agent = transport.call(api.resume_agent(given.agent))
    if console.as_json:
        console.json(agent)
    else:
        console.say(f"{agent['id']}  takes sessions again")
    return 0


def _until_empty(
    given: argparse.Namespace, transport: Transport, console: Console
) -> dict[str, Any]:
    with transport.within(given.within, f"agent {given.agent} is not empty"):
        while True:
            agent = _found(given.agent, transport.insist(api.list_agents())["items"])
            if not agent["kernels"]:
                console.progress("")
                return agent
            console.progress(f"{given.agent}: {agent['kernels']} kernels{_deadline(agent)}")
            clocks.pause(LOOK_SECONDS)


def _found(id_: str, items: list[dict[str, Any]]) -> dict[str, Any]:
    for agent in items:
        if agent["id"] == id_:
            return agent
    raise NotFound(f"there is no agent {id_!r} any more", field="agent")


def _row(agent: dict[str, Any], console: Console) -> tuple[str, ...]:
    used, slots = agent["used"], agent["slots"]
    drained = "" if agent.get("schedulable", True) else ", drained"
    return (
        agent["id"],
        agent["status"] + drained,
        f"{used['cpu']}/{slots['cpu']}",
        f"{used['memory_mib']}/{slots['memory_mib']}",
        str(agent.get("kernels", "-")),
        console.age(agent["seen_at"]),
        agent["address"],
    )


def _deadline(agent: dict[str, Any]) -> str:
    at = agent.get("drain_deadline")
    return f", until {console_module.local_time(at)} at the latest" if at else ""
