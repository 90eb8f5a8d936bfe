"""Which containers wait to become kernels, and which are to: a few for each image that was used lately. Decisions only; `kernels` makes and ends them.

A container waits for any kernel of its image, and becomes one of them, once. What kernels have of their own is applied then, so nothing of a
session is in one that waits.
"""

import dataclasses
import os
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from quarterdeck.agent.kernels.oci.bytecode import Places
from quarterdeck.agent.kernels.oci.container import COMPILED
from quarterdeck.agent.kernels.oci.waiting import Waiting
from quarterdeck.agent.kernels.spec import (
    MARK,
    MARK_ROOM,
    PYTHON,
    SHELL,
    Image,
    KernelSpec,
    container_environment,
)
from quarterdeck.base import ids
from quarterdeck.base.clock import Clock

EACH_MAX = 2
IMAGES_MAX = 4
"""Of so many images, those used last, so many containers wait of each."""
IDLE_SECONDS_MAX = 300.0
"""An image that nobody has used for so long has none."""
MEMORY_SHARE_MIN = 0.1
"""With less of the machine's memory available nothing waits."""
MEMORY_BYTES = 128 * 2**20
PROCESSES_MAX = 16
"""What one may have while it waits."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SHELLS_OWN = frozenset(
    {"BASHOPTS", "BASH_VERSINFO", "EUID", "GROUPS", "PPID", "SHELLOPTS", "UID", "IFS", "PWD"}
)
"""Variables that a shell does not let itself be given, or reads while it becomes a kernel."""
_AT_START = ("PYTHON", "LD_", "LC_", "MALLOC_", "GLIBC_")
_ALSO_AT_START = frozenset({"PATH", "LANG", "LANGUAGE", "TZ"})
"""What a program looks at when it starts: too late for one that waits."""


class Pattern(NamedTuple):
    """What containers have in common that can stand in for each other: the tree, which directory that is, what runs in it, its variables."""

    tree: str
    inode: tuple[int, int]
    runtime: str
    environment: tuple[tuple[str, str], ...]


@dataclass
class _Group:
    """The containers of a pattern; `image` as kernels are given it."""

    image: Image
    used_at: float
    waiting: list[Waiting] = field(default_factory=list)
    bytecode: str | None = None
    """Where its Python finds compiled modules; empty: it has none; None: it has not been tried."""


class Missing(NamedTuple):
    """A container to be made. `compiles`: not to wait, but to compile for the others of its pattern."""

    pattern: Pattern
    spec: KernelSpec
    compiles: bool


class Pool:
    """What waits in one agent. `directory`: below it each has its own; `marks`: variables that all their processes carry."""

    def __init__(
        self,
        directory: Path,
        clock: Clock,
        *,
        marks: Mapping[str, str],
        available: Callable[[], float] | None = None,
    ) -> None:
        """`available`: which share of the machine's memory is."""
        self._directory = directory
        self.places = Places(directory.with_name(f"{directory.name}-bytecode"))
        self._clock = clock
        self._marks = marks
        self._available = available or memory_available
        self._groups: dict[Pattern, _Group] = {}

    def directory(self, id_: str) -> Path:
        """Return where the directory of one that waits is."""
        return self._directory / id_

    def take(self, spec: KernelSpec) -> Waiting | None:
        """Return one that can become this kernel; it is nobody else's from now on."""
        pattern = pattern_of(spec)
        found = self._groups.get(pattern) if pattern else None
        while found is not None and found.waiting:
            one = found.waiting.pop(0)
            if one.alive:
                return one
        return None

    def note(self, spec: KernelSpec) -> None:
        """Take note that a kernel of this kind was made: more may come."""
        pattern = pattern_of(spec)
        if pattern is not None and spec.image is not None:
            known = self._groups.pop(pattern, None)
            now = self._clock.monotonic()
            self._groups[pattern] = known or _Group(spec.image, now)
            self._groups[pattern].used_at = now

    def missing(self) -> Missing | None:
        """Return what is to be made next, if anything is."""
        if self._available() < MEMORY_SHARE_MIN:
            return None
        for pattern, group in reversed(self._groups.items()):
            compiles = pattern.runtime == PYTHON and group.bytecode is None
            if compiles or len(group.waiting) < EACH_MAX:
                return Missing(pattern, self._spec(group, compiles=compiles), compiles)
        return None

    def compiled(self, pattern: Pattern, bytecode: str) -> None:
        """Take note of where the Python of an image finds compiled modules; empty: nowhere."""
        if pattern in self._groups:
            self._groups[pattern].bytecode = bytecode

    def bytecode(self, spec: KernelSpec) -> str:
        """Return where the Python of a kernel's image finds compiled modules; empty: nowhere."""
        pattern = _pattern(spec.image) if spec.image else None
        group = self._groups.get(pattern) if pattern else None
        return (group and group.bytecode) or ""

    @property
    def bytecodes(self) -> Collection[str]:
        """All places of compiled modules."""
        return {group.bytecode for group in self._groups.values() if group.bytecode}

    def add(self, pattern: Pattern, one: Waiting) -> bool:
        """Have one that was made wait; tell whether it may: else it is to be ended."""
        group = self._groups.get(pattern)
        if group is not None:
            group.waiting.append(one)
        return group is not None

    def forget(self, pattern: Pattern) -> Collection[Waiting]:
        """Have no more of a pattern until it is used again; return what is to be ended."""
        group = self._groups.pop(pattern, None)
        return () if group is None else group.waiting

    def surplus(self) -> Collection[Waiting]:
        """Return what is to be ended: it died, nobody has used its image for long, that is gone, others were used since, or memory is short."""
        late = self._clock.monotonic() - IDLE_SECONDS_MAX
        short = self._available() < MEMORY_SHARE_MIN
        ended: list[Waiting] = []
        for at, (pattern, group) in enumerate(reversed(tuple(self._groups.items()))):
            if at >= IMAGES_MAX or group.used_at <= late or _inode(pattern.tree) != pattern.inode:
                ended += self.forget(pattern)
            else:
                ended += [one for one in group.waiting if short or not one.alive]
                group.waiting[:] = [one for one in group.waiting if one not in ended]
        return ended

    def leave(self) -> Collection[Waiting]:
        """Have nothing any more; return what is to be ended."""
        return [one for pattern in tuple(self._groups) for one in self.forget(pattern)]

    def _spec(self, group: _Group, *, compiles: bool) -> KernelSpec:
        id_, image = ids.new(self._clock), group.image
        own = str(self.directory(id_) / COMPILED)
        bytecode = own if compiles else group.bytecode or ""
        return KernelSpec(
            id=id_,
            directory=str(self.directory(id_)),
            environment=container_environment(image) | {**self._marks, MARK: MARK_ROOM},
            binds=(),
            cores=tuple(sorted(os.sched_getaffinity(0))),
            memory_bytes=MEMORY_BYTES,
            processes=PROCESSES_MAX,
            image=dataclasses.replace(image, bytecode=bytecode),
        )


def pattern_of(spec: KernelSpec) -> Pattern | None:
    """Return what a container must be that is to become this kernel; None: there can be none, the kernel is made anew."""
    image = spec.image
    if image is None or spec.command or spec.again or image.runtime not in {PYTHON, SHELL}:
        return None
    given = container_environment(image)
    changed = {name for name, value in spec.environment.items() if given.get(name) != value}
    if any(name.startswith(_AT_START) or name in _ALSO_AT_START for name in changed):
        return None
    if image.runtime == SHELL and not all(map(_can_be_exported, changed)):
        return None
    return _pattern(image)


def _pattern(image: Image) -> Pattern | None:
    inode = _inode(image.tree)
    if inode is None:
        return None
    return Pattern(image.tree, inode, image.runtime, tuple(sorted(image.environment.items())))


def memory_available() -> float:
    """Return which share of this machine's memory is available. Raises OSError."""
    lines = Path("/proc/meminfo").read_text().splitlines()
    sizes = {
        name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines)
    }
    return sizes["MemAvailable"] / sizes["MemTotal"]


def _can_be_exported(name: str) -> bool:
    return name not in _SHELLS_OWN and _NAME.fullmatch(name) is not None


def _inode(tree: str) -> tuple[int, int] | None:
    try:
        found = Path(tree).stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
