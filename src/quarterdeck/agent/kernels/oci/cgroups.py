"""Control groups of containers: what they say of limits that were hit, and how nothing of them is left.

Runc makes a group for each container, in every hierarchy (version 1) or in the one (version 2), below a group of the agent's, which is named
after its scratch directory. Standard library only.
"""

import contextlib
import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

CPU_PERIOD = 100_000
"""In microseconds."""

_ROOT = Path("/sys/fs/cgroup")
_PREFIX = "quarterdeck-"
_OLD_SECONDS = 60.0
"""An empty group is nobody's if nothing has happened to it for so long: an agent that makes one uses it at once."""


class Limits(NamedTuple):
    """Of all processes of a container."""

    memory_bytes: int
    cores: int
    processes: int


def of_agent(scratch: Path) -> str:
    """Return the name of the group of an agent's containers."""
    return f"{_PREFIX}{hashlib.sha256(os.fsencode(scratch)).hexdigest()[:16]}"


def out_of_memory(group: str) -> int:
    """Return how many processes of a container were killed because it had no memory left."""
    return _count(group, ("memory.oom_control", "memory.events"), "oom_kill")


def limit(group: str, limits: Limits) -> None:
    """Hold a container that is there already to other limits. Raises OSError."""
    memory, quota = str(limits.memory_bytes), limits.cores * CPU_PERIOD
    values = {
        "memory.memsw.limit_in_bytes": "-1",
        "memory.limit_in_bytes": memory,
        "memory.max": memory,
        "memory.swap.max": "0",
        "cpu.cfs_quota_us": str(quota),
        "cpu.max": f"{quota} {CPU_PERIOD}",
        "pids.max": str(limits.processes),
    }
    for path in _places(group):
        for name, value in (*values.items(), ("memory.memsw.limit_in_bytes", memory)):
            _write(path / name, value)


def remove(group: str) -> bool:
    """Remove the groups of a container whose processes have all ended; tell whether none is left: the last one may take a moment."""
    for path in _places(group):
        _remove_empty(path)
    return not any(_places(group))


def sweep(own: str, now: float) -> None:
    """Remove the empty groups that an earlier life of this agent has left, and the old ones of agents that are no more."""
    for group in (one for path in _places() for one in path.glob(f"{_PREFIX}*")):
        with contextlib.suppress(OSError):
            if group.name == own or now - group.stat().st_mtime > _OLD_SECONDS:
                _remove_empty(group)


def _write(file: Path, value: str) -> None:
    """Write to a file of a group, if that hierarchy has it. Raises OSError."""
    with contextlib.suppress(FileNotFoundError), file.open("r+") as opened:
        opened.write(value)


def _count(group: str, files: Sequence[str], name: str) -> int:
    """Return a number that one of the files of a group has behind a name; 0 if none has."""
    for path in (path / file for path in _places(group) for file in files):
        with contextlib.suppress(OSError):
            found = re.search(rf"^{name} (\d+)$", path.read_text(), re.MULTILINE)
            if found:
                return int(found[1])
    return 0


def _remove_empty(group: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        for one in (*_below(group), group):
            with contextlib.suppress(OSError):
                one.rmdir()


def _places(group: str = "") -> Iterator[Path]:
    """Give the directories of a group: one in each hierarchy, or the one of version 2."""
    hierarchies = [_ROOT]
    if not (_ROOT / "cgroup.controllers").exists():
        hierarchies = [one for one in _ROOT.iterdir() if one.is_dir() and not one.is_symlink()]
    for one in hierarchies:
        if (one / group).is_dir():
            yield one / group


def _below(path: Path) -> Iterator[Path]:
    """Give all groups in a group, the deepest first."""
    for one in path.iterdir():
        if one.is_dir():
            yield from _below(one)
            yield one
