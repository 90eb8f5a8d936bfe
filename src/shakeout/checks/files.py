"""Probe for files and directories below a component's own directory that must go with the test.

A system declares it: `leaks=(files.Below("agent", "scratch/*"), …)`.
"""

import glob
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from shakeout.checks.leaks import Things
from shakeout.system.cluster import Cluster

NAMES_SHOWN = 3


@dataclass(frozen=True)
class Below:
    """Factory: paths below the directory of each replica of `kind` that match one of `patterns`."""

    kind: str
    patterns: tuple[str, ...]

    def __call__(self, cluster: Cluster) -> "Files":
        roots = {name: cluster.place(name).directory for name in cluster.replicas(self.kind)}
        return Files(f"files of {self.kind}", roots, self.patterns)


@dataclass(frozen=True)
class Files:
    """Paths below some directories."""

    name: str
    roots: dict[str, Path]
    patterns: tuple[str, ...]
    directories: bool = True
    """Whether directories count; an object store has none."""

    async def snapshot(self) -> Things:
        return {
            "/".join(filter(None, (owner, str(path.relative_to(root))))): describe(path)
            for owner, root in self.roots.items()
            for path in self._matches(root)
        }

    def _matches(self, root: Path) -> Iterator[Path]:
        for pattern in self.patterns:
            found = matches(root, pattern)
            yield from (path for path in found if self.directories or not path.is_dir())


def matches(root: Path, pattern: str) -> Iterator[Path]:
    """Paths below a directory; what goes during the look is left out, where `Path.glob` raises."""
    found = glob.iglob(pattern, root_dir=root, recursive=True, include_hidden=True)  # noqa: PTH207 - see above
    yield from (root / path for path in found)


def describe(path: Path) -> str:
    """Size of a file, first names in a directory; empty when it is gone."""
    try:
        if path.is_dir():
            names = sorted(child.name for child in path.iterdir())
            more = ", …" if len(names) > NAMES_SHOWN else ""
            return f"directory with {len(names)} entries: {', '.join(names[:NAMES_SHOWN])}{more}"
        return f"{path.stat().st_size} bytes"
    except OSError:
        return ""
