"""A room of memory for each kernel: a control group that the operating system holds to a limit. Used by `owners` and `namespaces`.

Only where the zygote may make control groups, of version 1 or 2; elsewhere `agent.guard` alone adds up what a kernel uses.
"""

import contextlib
import functools
import os
from collections.abc import Iterator
from pathlib import Path

from quarterdeck.agent.kernels import control_files

_PREFIX = "qd-zygote-"
_KERNELS_OF = (_PREFIX, "quarterdeck-")
"""What groups of kernels are below: rooms, and the groups of containers, which runc makes."""
_LIMITS = ("memory.limit_in_bytes", "memory.max")
"""Of version 1, of version 2; the same below."""
_EVENTS = ("memory.oom_control", "memory.events")
_MEMBERS = "cgroup.procs"
_KILLS = "oom_kill "


class Rooms:
    """The rooms of one zygote, below a group of its own."""

    def __init__(self, base: Path) -> None:
        self._base = base
        self._made = 0
        self._free: list[str] = []

    @classmethod
    def open(cls, pid: int) -> "Rooms | None":
        """Make a group for a zygote's rooms, after those of zygotes that are no more; None: it may not."""
        for parent in _parents():
            base = parent / f"{_PREFIX}{pid}"
            try:
                _remove_dead(parent)
                base.mkdir(exist_ok=True)
                with contextlib.suppress(OSError):
                    (base / "cgroup.subtree_control").write_text("+memory")
                rooms = cls(base)
                trial = rooms.take()
                limit(trial, 2**30)
                rooms.give_back(trial)
            except OSError:
                continue
            return rooms
        return None

    def take(self) -> str:
        """Return an empty room. Raises OSError."""
        if self._free:
            return self._free.pop()
        self._made += 1
        room = self._base / str(self._made)
        room.mkdir()
        return str(room)

    def give_back(self, room: str) -> str | None:
        """Let another kernel have the room of one that is gone; return why that was, if it ran out of memory.

        Such a room is not used again, so that what it counts is always of one kernel.
        """
        if not kills(room):
            self._free.append(room)
            return None
        reason = f"killed: memory limit {_limit_mib(room)} MiB"
        with contextlib.suppress(OSError):
            Path(room).rmdir()
        return reason


def enter(room: str) -> None:
    """Put this process into a room. Raises OSError."""
    control_files.write(f"{room}/{_MEMBERS}", "0")


def limit(room: str, memory_bytes: int) -> None:
    """Set how much a room holds. Raises OSError."""
    control_files.write(_existing(room, _LIMITS), str(memory_bytes))


def kills(room: str) -> int:
    """Return how many processes the operating system has ended because a room was full; 0 too if it is gone."""
    try:
        lines = control_files.read(_existing(room, _EVENTS)).splitlines()
    except OSError:
        return 0
    return sum(int(line.removeprefix(_KILLS)) for line in lines if line.startswith(_KILLS))


def room_of(pid: int) -> str | None:
    """Return the group of a kernel's own that a process is in, as those outside of it see it; None: it is in none."""
    for mount, path in _memberships(pid):
        if Path(path).parent.name.startswith(_KERNELS_OF):
            return f"{mount}{path}"
    return None


def _parents() -> Iterator[Path]:
    for mount, path in _memberships(os.getpid()):
        yield Path(f"{mount}{path}")


def _memberships(pid: int) -> Iterator[tuple[str, str]]:
    """Yield where memory groups are mounted, and the path of a process's group below that."""
    try:
        lines = Path(f"/proc/{pid}/cgroup").read_text().splitlines()
    except OSError:
        return
    paths = {names: path for _, names, path in (line.split(":", 2) for line in lines)}
    for mount, kind, options in _mounts():
        names = "" if kind == "cgroup2" else "memory"
        if kind == "cgroup2" or names in options.split(","):
            path = next((one for key, one in paths.items() if names in key.split(",")), None)
            if path is not None:
                yield mount, path


@functools.cache
def _mounts() -> tuple[tuple[str, str, str], ...]:
    """Return where control groups are mounted, of which version and with what options. They do not move."""
    lines = [
        line.partition(" - ") for line in Path("/proc/self/mountinfo").read_text().splitlines()
    ]
    found = [(before.split(" ")[4], *after.split(" ", 2)) for before, _, after in lines]
    return tuple((at, kind, text) for at, kind, _, text in found if kind.startswith("cgroup"))


def _remove_dead(parent: Path) -> None:
    """Remove what zygotes that are no more have left."""
    for base in parent.glob(f"{_PREFIX}*"):
        if Path("/proc", base.name.removeprefix(_PREFIX)).exists():
            continue
        for group in (*filter(Path.is_dir, base.glob("*")), base):
            with contextlib.suppress(OSError):
                group.rmdir()


def _existing(room: str, names: tuple[str, ...]) -> str:
    base, _, _ = room.rpartition("/")
    return f"{room}/{names[_version(base)]}"


@functools.cache
def _version(base: str) -> int:
    """Return 0 for groups of version 1, else 1."""
    return 0 if Path(base, _LIMITS[0]).exists() else 1


def _limit_mib(room: str) -> int:
    with contextlib.suppress(OSError, ValueError):
        return int(control_files.read(_existing(room, _LIMITS))) // 2**20
    return 0
