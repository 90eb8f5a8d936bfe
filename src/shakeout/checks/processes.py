"""Probe for processes and listening TCP ports of a cluster's components, and of this process.

Counted by owner and command, so that a pool may replace its members. What services start is not
looked at: a PostgreSQL session is a process, and has a probe of its own.
"""

import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from shakeout.checks import leaks, subtree
from shakeout.checks.leaks import Things
from shakeout.process import procfs, reaper
from shakeout.system.cluster import Cluster

COMMAND_LENGTH_MAX = 80
RUNNER = "this test process"
ORPHAN = "orphan"


@dataclass(frozen=True)
class Owned:
    """A process and the member below which it runs, or that it is an orphan of the cluster."""

    pid: int
    owner: str


class Processes:
    """Everything that components, their orphans, or this process started, and where that listens."""

    name = "processes"
    always_fresh = True  # other tests of this process may start things, too

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def snapshot(self) -> Things:
        owners = {one.pid: one.owner for one in owned(self._cluster)}
        commands = [(owner, pid, command(pid)) for pid, owner in owners.items()]
        running = leaks.count(
            [
                (f"{owner}: {told}", f"pid {pid}, of {owner}")
                for owner, pid, told in commands
                if told
            ]
        )
        everybody = {**owners, os.getpid(): RUNNER}
        return running | ports(subtree.listening(everybody), everybody)


def ports(listening: Mapping[int, Mapping[int, int]], owners: Mapping[int, str]) -> dict[str, str]:
    """Each listening socket once, with the first process that holds it. Pure.

    `listening` has by process the ports by socket number.
    """
    held: dict[int, tuple[str, str]] = {}
    for pid, sockets in listening.items():
        for socket, port in sockets.items():
            held.setdefault(
                socket, (f"{owners[pid]}: listening port", f"port {port}, held by pid {pid}")
            )
    return leaks.count([held[socket] for socket in sorted(held)])


def owned(cluster: Cluster) -> list[Owned]:
    """Processes below the cluster's spawners and below this process, without services and spawners."""
    running = [
        (one, one.process.pid) for one in cluster.members.values() if one.process and one.running
    ]
    names = {pid: member.name for member, pid in running}
    spawners = {subtree.parent(pid) for pid in names} - {0}
    services = {pid for member, pid in running if not member.is_component}
    harness = {pid for spawner in spawners for pid in subtree.ancestors(spawner)}
    not_ours = services | spawners | harness
    found = [one for pid in spawners for one in _below(pid, ORPHAN, names, not_ours)]
    found += _below(os.getpid(), RUNNER, names, not_ours | _own_harness())
    return sorted(found, key=lambda one: one.pid)


def _own_harness() -> set[int]:
    """This process's own run: all that it starts for a test ends with a cluster, and is looked at there."""
    seen = (procfs.stat(pid) for pid in subtree.children(os.getpid()))
    return {one.pid for one in seen if one and one.comm == reaper.NAME}


def _below(
    ancestor: int, owner: str, names: Mapping[int, str], not_ours: Collection[int]
) -> Iterator[Owned]:
    for pid in subtree.children(ancestor):
        if pid not in not_ours:
            name = names.get(pid, owner)
            yield Owned(pid, name)
            yield from _below(pid, name, names, not_ours)


def command(pid: int) -> str:
    """The command line, shortened; empty when the process is gone."""
    return shortened(subtree.command_line(pid).decode(errors="replace"))


def shortened(command_line: str) -> str:
    """Arguments, which end in a zero, as one text: one that is too long gives up the program's directory first. Pure."""
    text = command_line.replace("\0", " ").strip()
    if len(text) > COMMAND_LENGTH_MAX:
        program, blank, rest = text.partition(" ")
        text = program.rpartition("/")[2] + blank + rest
    return text if len(text) <= COMMAND_LENGTH_MAX else text[: COMMAND_LENGTH_MAX - 1] + "…"
