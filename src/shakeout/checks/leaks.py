"""Compare what there was before a test with what is there afterwards: pure.

`shakeout.checks.check` takes the snapshots, with the probes of `shakeout.checks.registry`.
"""

import fnmatch
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from shakeout.system.cluster import Cluster

Things = Mapping[str, str]
"""What a probe sees: by key, described in words."""
Snapshot = Mapping[str, Things]
"""What all probes see, by the name of the probe."""

WIDTH_MAX = 120


class Probe(Protocol):
    """Looks at one kind of thing that a test may leave behind in a cluster."""

    @property
    def name(self) -> str:
        """What the things are called in the table: `redis keys`."""

    async def snapshot(self) -> Things:
        """All things that are there. A key that was not there before the test is a leak."""


def always_fresh(probe: Probe) -> bool:
    """Whether others than the tests of a cluster make such things: the class says `always_fresh`."""
    return bool(getattr(probe, "always_fresh", False))


@runtime_checkable
class Closes(Protocol):
    """A probe that keeps something open between snapshots."""

    def close(self) -> None:
        """Let it go; the cluster is about to stop."""


@dataclass(frozen=True)
class Expected:
    """Keys of a probe that may come and go (patterns as of fnmatch); listed among a system's leaks."""

    probe: str
    patterns: tuple[str, ...]

    def __call__(self, _cluster: "Cluster") -> "Expected":
        return self


Factory = Callable[["Cluster"], Probe | Expected | Any]


@dataclass(frozen=True)
class Leak:
    """Something that was not there before the test."""

    probe: str
    key: str
    description: str


def diff(before: Snapshot, after: Snapshot, expected: Sequence[Expected] = ()) -> list[Leak]:
    """What came and stayed, without what is expected to."""
    return [
        Leak(probe, key, description)
        for probe, things in after.items()
        for key, description in sorted(things.items())
        if key not in before.get(probe, {}) and not _is_expected(probe, key, expected)
    ]


def count(things: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Number things of the same group, so that one may replace another: (group, description), oldest first."""
    seen: dict[str, int] = {}
    numbered = {}
    for group, description in things:
        seen[group] = seen.get(group, 0) + 1
        numbered[f"{group} #{seen[group]}"] = description
    return numbered


def table(leaks: Sequence[Leak]) -> str:
    """The leaks as lines in columns."""
    rows = [(leak.probe, leak.key, leak.description) for leak in leaks]
    rows.insert(0, ("kind", "what", "known about it"))
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    return "\n".join(
        f"  {kind:<{widths[0]}}  {key:<{min(widths[1], WIDTH_MAX)}}  {description}".rstrip()
        for kind, key, description in rows
    )


def _is_expected(probe: str, key: str, expected: Sequence[Expected]) -> bool:
    return any(
        each.probe == probe and any(fnmatch.fnmatchcase(key, pattern) for pattern in each.patterns)
        for each in expected
    )
