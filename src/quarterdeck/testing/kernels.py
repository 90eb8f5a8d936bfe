"""Kernels as the machine shows them: processes by their mark in /proc, and scratch directories. Trusts no component's word."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from quarterdeck.testing import layout
from shakeout.checks import processes as owners
from shakeout.process import procfs
from shakeout.system.cluster import Cluster

MARK = "QD_KERNEL_ID"
"""The environment variable that each process of a kernel carries."""


AGENT_MARK = "QD_AGENT_ID"
"""The variable that says of which agent's zygote a process comes: kernels outlive their agent, and do not run below its next life."""

ZYGOTE = "qd-zygote"


@dataclass(frozen=True)
class KernelProcess:
    """A process of a kernel, the agent that it is of, or `orphan` if of none, and the first process of the zygote that made it."""

    pid: int
    kernel: str
    owner: str
    zygote: int = 0


def processes(cluster: Cluster) -> list[KernelProcess]:
    """Return all living processes of kernels: below the agents, and of agents that have gone. Oldest first."""
    found = []
    for one in owners.owned(cluster):
        kernel = procfs.environ(one.pid).get(MARK, "").strip()
        if kernel:
            zygote = _zygote(one.pid)
            agent = procfs.environ(zygote).get(AGENT_MARK, "")
            owner = agent if one.owner == owners.ORPHAN and agent in cluster.members else one.owner
            found.append(KernelProcess(one.pid, kernel, owner, zygote))
    return found


def unattended(cluster: Cluster, seen: Iterable[KernelProcess]) -> set[str]:
    """Return the kernels whose agent does not run: their processes and directories go on without it."""
    away = {name for name in cluster.replicas("agent") if not cluster.member(name).running}
    found = {one.kernel for one in seen if one.owner in away}
    for name in away:
        root = cluster.place(name).directory / layout.SCRATCH_DIRECTORY
        found |= {path.name for path in _children([root])}
    return found


def _zygote(pid: int) -> int:
    """Return the topmost zygote above a process; 0: there is none."""
    top = 0
    stat = procfs.stat(pid)
    while stat is not None and stat.parent:
        stat = procfs.stat(stat.parent)
        if stat is not None and stat.comm == ZYGOTE:
            top = stat.pid
    return top


def scratch_directories(cluster: Cluster) -> dict[str, Path]:
    """Return the directories of kernels, by kernel."""
    roots = [
        cluster.place(name).directory / layout.SCRATCH_DIRECTORY
        for name in cluster.replicas("agent")
    ]
    return {path.name: path for path in _children(roots) if not path.name.startswith(".")}


def _children(roots: Iterable[Path]) -> Iterable[Path]:
    for root in roots:
        if root.is_dir():
            yield from root.iterdir()
