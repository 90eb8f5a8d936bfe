"""Promises of the platform that must hold after each test, judged by the database, /proc and the disk, not by the platform.

A probe of Shakeout's leak check: what breaks a promise and was not there before the test fails the test.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from quarterdeck.infra import queries
from quarterdeck.testing import kernels, trees
from quarterdeck.testing.kernels import KernelProcess
from quarterdeck.testing.layout import DATABASE, LOCAL_HOST
from quarterdeck.wire.states import FOLDER_TRANSITIONS, KERNEL_TRANSITIONS, SESSION_TRANSITIONS
from shakeout.checks.processes import ORPHAN
from shakeout.services import postgres_data, postgres_wire
from shakeout.system.cluster import Cluster

_QUERIES = queries.load(__package__)
_LEGAL = {
    "session": {(str(before), str(after)) for before, after in SESSION_TRANSITIONS},
    "kernel": {(str(before), str(after)) for before, after in KERNEL_TRANSITIONS},
    "folder": {(str(before), str(after)) for before, after in FOLDER_TRANSITIONS},
}
Row = tuple[str, ...]
"""What it is, and three columns; see `queries.sql`."""
Violation = tuple[str, str, str]
"""The promise, the thing that breaks it, what is known about that."""


class Seen(NamedTuple):
    """What is there besides the database: processes of kernels, ids of scratch directories and of trees, and for whom trees count.

    `unattended` are kernels whose agent is away: nobody can end them before it returns, or their time is up.
    """

    processes: list[KernelProcess]
    scratch_directories: set[str]
    trees: set[str]
    unattended: frozenset[str] = frozenset()
    scopes: Mapping[str, str] = {}


class Invariants:
    """The probe: each violation is a thing that should not be there."""

    name = "invariants"

    def __init__(self, cluster: Cluster, *, kernels_show: bool = True) -> None:
        """`kernels_show=False`: kernels are dummies, of which nothing is on the machine."""
        self._cluster = cluster
        self._kernels_show = kernels_show
        self._socket = postgres_data.socket(cluster.place("postgres").directory)

    async def snapshot(self) -> dict[str, str]:
        """Return the violations of now. What is under way breaks no promise: the database is asked before and after the look."""
        before = await self._ask("settled", "possible")
        processes = kernels.processes(self._cluster)
        seen = Seen(
            processes,
            set(kernels.scratch_directories(self._cluster)),
            set(trees.trees(self._cluster)),
            frozenset(kernels.unattended(self._cluster, processes)),
            trees.scopes(self._cluster),
        )
        after = await self._ask("settled", "possible", "steps", "violations")
        if not self._kernels_show:
            before = [row for row in before if row[0] != "running"]
        found = violations(before, seen, after)
        return {f"{promise}: {thing}": detail for promise, thing, detail in found}

    async def _ask(self, *names: str) -> list[Row]:
        sql = ";".join(_QUERIES[name] for name in names)
        rows = await postgres_wire.query(self._socket, postgres_data.SUPERUSER, DATABASE, sql)
        return [tuple(value or "" for value in row) for row in rows]


def violations(before: Sequence[Row], seen: Seen, after: Sequence[Row]) -> Iterator[Violation]:
    """Judge what was seen by what the database said before and after. Pure.

    What was settled both times must be seen; what was seen must have been possible at either.
    """
    settled, possible = set(before) & set(after), {*before, *after}
    running = {id_ for what, id_, *_ in settled if what == "running"}
    live = {id_ for what, id_, *_ in possible if what == "kernel"} | seen.unattended
    yield from ((promise, thing, how) for what, promise, thing, how in after if what == "broken")
    yield from illegal((kind, old, new) for what, kind, old, new in after if what == "step")
    yield from differences(running, {one.kernel for one in seen.processes}, live, "process")
    yield from differences(running, seen.scratch_directories, live, "scratch directory")
    yield from orphans(seen.processes)
    yield from rivals(one for one in seen.processes if one.kernel not in seen.unattended)
    yield from strays(
        {id_ for what, id_, host, _ in settled if what == "ready" and host == LOCAL_HOST},
        seen.trees,
        {id_ for what, id_, host, _ in possible if what == "tree" and host == LOCAL_HOST},
    )
    owners = {id_: owner for what, id_, _, owner in settled if what == "counted"}
    yield from strangers(owners, seen.scopes)


def illegal(steps: Iterable[tuple[str, ...]]) -> Iterator[Violation]:
    """Give the steps of history that the tables of `quarterdeck.wire.states` do not allow. Pure."""
    for kind, before, after in steps:
        if (before, after) not in _LEGAL[kind]:
            yield ("every step is legal", f"{kind} {before} -> {after}", "in history")


def differences(
    running: set[str], found: set[str], possible: set[str], what: str
) -> Iterator[Violation]:
    """Give the kernels that should have something and do not, and the other way round. Pure."""
    for kernel in sorted(running - found):
        yield (f"a running kernel has a {what}", kernel, "not found")
    for kernel in sorted(found - possible):
        yield (
            f"a {what} has a live kernel",
            kernel,
            "the database knows no live kernel of this id",
        )


def orphans(processes: Iterable[KernelProcess]) -> Iterator[Violation]:
    """Give the processes of kernels that are of no agent. Pure."""
    for one in processes:
        if one.owner == ORPHAN:
            yield ("a kernel's process is of an agent", one.kernel, f"pid {one.pid}")


def rivals(processes: Iterable[KernelProcess]) -> Iterator[Violation]:
    """Give the agents that run while kernels of two zygotes of theirs live: one of these answers to nobody. Pure."""
    zygotes: dict[str, set[int]] = {}
    for one in processes:
        zygotes.setdefault(one.owner, set()).add(one.zygote)
    for owner, found in zygotes.items():
        if len(found) > 1:
            yield ("an agent has one zygote", owner, f"pids {sorted(found)}")


def strays(ready: set[str], found: set[str], possible: set[str]) -> Iterator[Violation]:
    """Give the folders without a tree, and the trees that belong to nothing. Pure."""
    for folder in sorted(ready - found):
        yield ("a folder has its tree", folder, "no directory on the storage host")
    for tree in sorted(found - possible):
        yield ("a tree has its folder", tree, "a directory without a row")


def strangers(owners: Mapping[str, str], scopes: Mapping[str, str]) -> Iterator[Violation]:
    """Give the trees that count for somebody else than the owner of their folder. Pure."""
    for folder in sorted(owners.keys() & scopes.keys()):
        if owners[folder] != scopes[folder]:
            found = f"for {scopes[folder]}, not for {owners[folder]}"
            yield ("a tree counts for whose folder it is", folder, found)
