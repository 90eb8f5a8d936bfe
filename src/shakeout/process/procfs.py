"""Readers of /proc: who runs, whose child it is, what it listens on, what it uses.

Standard library only: the reaper and the spawners load it. The `parse_*` functions are pure; the
others read /proc and leave out processes that end meanwhile.
"""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

PROC = Path("/proc")
LISTEN_STATE = "0A"
ZOMBIE_STATES = ("Z", "X", "x")
MOVING_STATES = ("R", "S", "D", "I")
HANDLED_SIGNALS = ("SigIgn:", "SigCgt:")
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class Stat(NamedTuple):
    """One process as /proc/<pid>/stat tells it; `started` is in clock ticks since the boot."""

    pid: int
    comm: str
    state: str
    parent: int
    group: int
    session: int
    cpu_seconds: float
    started: int
    resident_bytes: int

    @property
    def moving(self) -> bool:
        """Whether it may still run: neither stopped nor dead."""
        return self.state in MOVING_STATES

    @property
    def alive(self) -> bool:
        return self.state not in ZOMBIE_STATES


class Listener(NamedTuple):
    """A TCP socket that listens; `inode` links it to the descriptors of its holders."""

    address: str
    port: int
    inode: int


class Segment(NamedTuple):
    """A System V shared memory segment."""

    identifier: int
    bytes: int
    creator: int
    attached: int
    uid: int
    changed: int


def parse_stat(text: str) -> Stat:
    """Parse /proc/<pid>/stat; the name may itself hold spaces and brackets."""
    opening, closing = text.index("("), text.rindex(")")
    rest = text[closing + 2 :].split()
    return Stat(
        pid=int(text[: opening - 1]),
        comm=text[opening + 1 : closing],
        state=rest[0],
        parent=int(rest[1]),
        group=int(rest[2]),
        session=int(rest[3]),
        cpu_seconds=(int(rest[11]) + int(rest[12])) / TICKS_PER_SECOND,
        started=int(rest[19]),
        resident_bytes=int(rest[21]) * PAGE_BYTES,
    )


def parse_listeners(text: str) -> list[Listener]:
    """Parse /proc/net/tcp or tcp6; the address stays in the kernel's hexadecimal."""
    found = []
    for line in text.splitlines()[1:]:
        columns = line.split()
        if columns[3] == LISTEN_STATE:
            address, port = columns[1].split(":")
            found.append(Listener(address, int(port, 16), int(columns[9])))
    return found


def parse_segments(text: str) -> list[Segment]:
    """Parse /proc/sysvipc/shm."""
    rows = [[int(column) for column in line.split()] for line in text.splitlines()[1:]]
    return [Segment(row[1], row[3], row[4], row[6], row[7], row[13]) for row in rows]


def parse_environ(data: bytes) -> dict[str, str]:
    """Parse /proc/<pid>/environ."""
    pairs = (entry.partition("=") for entry in os.fsdecode(data).split("\0") if entry)
    return {name: value for name, _, value in pairs}


def parse_handled_signals(text: str) -> list[int]:
    """Parse /proc/<pid>/status: the signals that are ignored or caught."""
    masks = [line.split()[1] for line in text.splitlines() if line.startswith(HANDLED_SIGNALS)]
    handled = sum(int(mask, 16) for mask in masks)  # no signal is in both
    return [number for number in range(1, 65) if handled >> (number - 1) & 1]


def stat(pid: int) -> Stat | None:
    """Read one process; None when it is gone."""
    text = _read(PROC / str(pid) / "stat")
    return parse_stat(text) if text else None


def handled_signals() -> list[int]:
    """Signals that this process ignores or catches."""
    return parse_handled_signals(_read(PROC / "self" / "status"))


def everyone() -> Iterator[Stat]:
    """Read every process of the machine."""
    for name in os.listdir(PROC):  # noqa: PTH208 (a Path for each process costs more than the read)
        if name.isdecimal() and (found := stat(int(name))):
            yield found


def descendants(ancestor: int) -> list[Stat]:
    """Children, grandchildren and so on, parents before their children; zombies too."""
    children: dict[int, list[Stat]] = {}
    for process in everyone():
        children.setdefault(process.parent, []).append(process)
    found = list(children.get(ancestor, ()))
    for process in found:
        found += children.get(process.pid, ())
    return found


def children(parent: int) -> set[int]:
    """Direct children, adopted ones too, zombies too.

    Fast, but while children come and go it may leave out others of them: ask again.
    """
    found: set[int] = set()
    try:
        for thread in (PROC / str(parent) / "task").iterdir():
            found |= {int(pid) for pid in (thread / "children").read_text().split()}
    except FileNotFoundError:
        if not (PROC / "thread-self" / "children").exists():  # kernel without PROC_CHILDREN
            return {process.pid for process in everyone() if process.parent == parent}
    except ProcessLookupError:
        return found
    return found


def tree(ancestor: int) -> list[int]:
    """All descendants; as fast as `children`, and as incomplete while they come and go."""
    found = sorted(children(ancestor))
    for pid in found:
        found += sorted(children(pid))
    return found


def environ(pid: int) -> dict[str, str]:
    """Environment that a process was started with; empty when it is gone or not ours to read."""
    try:
        return parse_environ((PROC / str(pid) / "environ").read_bytes())
    except OSError:
        return {}


def marked(variable: str, value: str) -> list[int]:
    """Processes started with the variable set to the value."""
    mark = os.fsencode(f"{variable}={value}")
    return [process.pid for process in everyone() if mark in _environ_entries(process.pid)]


def segments() -> list[Segment]:
    """System V shared memory segments of the machine."""
    return parse_segments(_read(PROC / "sysvipc" / "shm"))


def used(pid: int, directory: str) -> set[str]:
    """Files right in a directory that a process has open or mapped; none once it is about to end."""
    lines = _read(PROC / str(pid) / "maps").splitlines()
    return _right_in(directory, {*_mapped(lines), *_open_files(pid).values()}) if lines else set()


def written(pid: int, directory: str) -> set[str]:
    """Those of `used` that the process can write to."""
    lines = _read(PROC / str(pid) / "maps").splitlines()
    shared = [line for line in lines if line.split(maxsplit=2)[1][1::2] == "ws"]
    files = {
        path
        for number, path in _open_files(pid).items()
        if _right_in(directory, {path}) and _is_writable(pid, number)
    }
    return _right_in(directory, _mapped(shared)) | files


def _mapped(lines: Iterable[str]) -> set[str]:
    return {line[line.index("/") :] for line in lines if "/" in line}


def _right_in(directory: str, paths: Iterable[str]) -> set[str]:
    return {path for path in paths if path.rpartition("/")[0] == directory}


def _is_writable(pid: int, descriptor: str) -> bool:
    words = _read(PROC / str(pid) / "fdinfo" / descriptor).split()
    if "flags:" not in words:
        return False
    return int(words[words.index("flags:") + 1], 8) & os.O_ACCMODE != os.O_RDONLY


def _environ_entries(pid: int) -> list[bytes]:
    try:
        return (PROC / str(pid) / "environ").read_bytes().split(b"\0")
    except OSError:
        return []


def _open_files(pid: int) -> dict[str, str]:
    """What is open, by the number of the descriptor."""
    directory = PROC / str(pid) / "fd"
    found = {}
    try:
        for descriptor in directory.iterdir():
            found[descriptor.name] = _link(descriptor)
    except OSError:
        return found
    return found


def _link(path: Path) -> str:
    try:
        return str(path.readlink())
    except OSError:
        return ""


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
