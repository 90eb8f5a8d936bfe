"""How a running cluster passes from one process to another: its spawners' channels, and words for the rest.

The giver calls `tell`, then `Scope.let_go`; the taker describes the same places (`rebuild`) and calls `resume`.
Whoever holds the channels hears of exits, starts and stops; the spawners do not notice.
"""

import hashlib
import json
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from shakeout.process import directories
from shakeout.process.branch import Branch
from shakeout.process.errors import HarnessDied
from shakeout.process.handle import Process
from shakeout.process.scope import Scope
from shakeout.process.spawn import Program
from shakeout.settings import RUN, Settings
from shakeout.system import plan
from shakeout.system.cluster import Cluster
from shakeout.system.host import Host
from shakeout.system.member import Member
from shakeout.system.model import System, Topology
from shakeout.system.progress import State

Told = dict[str, Any]
"""What crosses the socket, as JSON."""
Channels = Mapping[str, tuple[socket.socket, int]]
"""By kind of spawner its channel and the number to go on with."""
OnExit = Callable[[Process], None]


def tell(cluster: Cluster) -> Told:
    """All members in words: state, ports and, of those that run, the process."""
    return {name: _tell_member(cluster, member) for name, member in cluster.members.items()}


def digest(cluster: Cluster) -> str:
    """Of all that the declaration computes for a process: equal if both sides describe the same system."""
    environments = {
        member.name: dict(component.environment(member.place))
        for member in cluster.members.values()
        for component in cluster.system.components
        if component.name == member.place.kind
    }
    return hashlib.sha256(json.dumps(environments, sort_keys=True).encode()).hexdigest()


def rebuild(system: System, topology: Topology, told: Told, settings: Settings) -> Cluster:
    """The same cluster in this process, without its processes as yet. Raises OSError when its directory is gone."""
    run_directory = Path(told["run_directory"])
    marks = {RUN: told["run"], "TMPDIR": str(run_directory / directories.TEMPORARY)}
    scope = Scope(
        told["name"], run_directory, marks, spawner=_gone, zygote=_gone, preload=_nothing
    )
    ground = plan.Ground(
        told["name"],
        run_directory / told["name"],
        settings.home,
        durable=told["durable"],
        held={name: one["ports"] for name, one in told["members"].items()},
    )
    needed = {name for name, one in told["members"].items() if one["state"] != State.IDLE}
    services = frozenset(needed & {one.name for one in system.services})
    members = plan.members(system, topology, ground, services)
    return Cluster(system, topology, ground, members=members, host=Host(settings, scope))


def resume(cluster: Cluster, members: Told, channels: Channels, on_exit: OnExit) -> None:
    """Go on with the processes of a cluster that another process let go of."""
    scope = cluster.host.scope
    for kind, (end, number) in channels.items():
        scope.take_over(kind, Branch(cluster.name, end, on_exit, number))
    for name, told in members.items():
        member = cluster.members[name]
        member.state = State(told["state"])
        member.process = _adopted(member, scope, told["process"])


def _tell_member(cluster: Cluster, member: Member) -> Told:
    process = None
    if member.process is not None and member.running:
        kind, number = cluster.host.scope.found(member.process)
        process = {"kind": kind, "number": number, "pid": member.process.pid}
    return {
        "state": str(member.state),
        "ports": {name: lease.port for name, lease in member.leases.items()},
        "process": process,
    }


def _adopted(member: Member, scope: Scope, told: Told | None) -> Process | None:
    if told is None:
        return None
    program = Program(
        member.name,
        member.place.directory,
        member.log,
        argv=(member.name,),
        exit_expected=member.state is not State.READY,
    )
    return scope.adopt(told["kind"], told["number"], told["pid"], program)


async def _gone(_modules: object) -> Branch:  # noqa: RUF029 (as a scope's parents are)
    raise HarnessDied("broker", "the cluster that was leased from it has no spawner any more")


async def _nothing(_modules: object) -> None:  # noqa: RUF029 (as a scope's preload is)
    return
