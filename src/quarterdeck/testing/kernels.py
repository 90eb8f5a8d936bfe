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


@dataclass(frozen=True)
class KernelProcess:
    """A process of a kernel, and the member of the cluster below which it runs, or `orphan`."""

    pid: int
    kernel: str
    owner: str


def processes(cluster: Cluster) -> list[KernelProcess]:
    """Return all living processes of kernels: below the agents, and orphaned. Oldest first."""
    return [
        KernelProcess(one.pid, kernel, one.owner)
        for one in owners.owned(cluster)
        if (kernel := procfs.environ(one.pid).get(MARK, "").strip())
    ]


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
