"""Starts a shell on a terminal inside a kernel: enters its namespaces, control groups and limits, and is gone.

`python -m quarterdeck.agent.kernels.doorway SLAVE`, with an `Entrance` as JSON on stdin. The shell becomes a child of the kernel's first
process, so it counts as any process of the kernel and ends with it. What goes wrong is told in words on stderr.
"""

import contextlib
import fcntl
import json
import os
import resource
import select
import sys
import termios
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, NoReturn

from quarterdeck.agent.kernels import filters, linux, owners
from quarterdeck.agent.kernels.owners import Owner

SHELLS = ("/bin/bash", "/bin/sh")

_NAMESPACES = ("net", "ipc", "uts", "cgroup", "pid", "mnt")
_LIMITS = {
    "Max core file size": resource.RLIMIT_CORE,
    "Max open files": resource.RLIMIT_NOFILE,
    "Max file size": resource.RLIMIT_FSIZE,
    "Max address space": resource.RLIMIT_AS,
    "Max processes": resource.RLIMIT_NPROC,
    "Max cpu time": resource.RLIMIT_CPU,
    "Max data size": resource.RLIMIT_DATA,
}
"""By their names in /proc."""
_GROUPS = Path("/sys/fs/cgroup")
_WHY_BYTES_MAX = 1000
_DESCRIPTORS_MAX = 2**20
_MOMENT_SECONDS = 0.001


class Entrance(NamedTuple):
    """Where the shell goes: the kernel's process, the working directory and the environment that it gets."""

    pid: int
    directory: str
    environment: dict[str, str]


class Found(NamedTuple):
    """What is read of the kernel's process before its namespaces are entered."""

    limits: dict[int, tuple[int, int]]
    cores: set[int]
    uid: int
    gid: int
    namespaces: tuple[int, ...]
    users: int | None


def main(slave: int, entrance: Entrance) -> None:
    """Start the shell. Raises OSError."""
    found = _look(entrance.pid)
    _join_groups(entrance.pid)
    for namespace in found.namespaces:
        linux.setns(namespace, 0)
        os.close(namespace)
    reading, writing = os.pipe2(os.O_CLOEXEC)
    between = os.fork()
    if (
        between == 0
    ):  # it is in the kernel's pid namespace, whose first process adopts what it leaves
        try:
            parent = os.getpid()
            if os.fork():
                os._exit(0)
            _outlive(parent)
            _become_shell(slave, entrance, found, writing)
        except OSError as error:
            os.write(
                writing, f"{error.filename or ''}: {error.strerror}".encode()[:_WHY_BYTES_MAX]
            )
        finally:
            os._exit(1)
    os.close(writing)
    os.waitpid(between, 0)
    with os.fdopen(reading, "rb") as told:
        why = told.read(_WHY_BYTES_MAX)
    if why:
        raise OSError(0, why.decode("utf-8", "replace"))


def _look(pid: int) -> Found:
    parent = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    own, theirs, between = (Path(f"/proc/{one}/ns/user") for one in ("self", pid, parent))
    others = [Path(f"/proc/{pid}/ns/{kind}") for kind in _NAMESPACES]
    first = [between] if between.readlink() != own.readlink() else []
    status = Path(f"/proc/{pid}").stat()
    return Found(
        limits=_limits(Path(f"/proc/{pid}/limits").read_text()),
        cores=os.sched_getaffinity(pid),
        uid=status.st_uid,
        gid=status.st_gid,
        namespaces=tuple(
            os.open(path, os.O_RDONLY | os.O_CLOEXEC) for path in (*first, *_differing(others))
        ),
        users=os.open(theirs, os.O_RDONLY | os.O_CLOEXEC)
        if theirs.readlink() not in {own.readlink(), between.readlink()}
        else None,
    )


def _limits(table: str) -> dict[int, tuple[int, int]]:
    found = {}
    for line in table.splitlines():
        for name, kind in _LIMITS.items():
            if line.startswith(name):
                soft, hard, *_ = line.removeprefix(name).split()
                found[kind] = _number(soft), _number(hard)
    return found


def _number(text: str) -> int:
    return resource.RLIM_INFINITY if text == "unlimited" else int(text)


def _differing(paths: list[Path]) -> Iterator[Path]:
    for path in paths:
        if path.readlink() != Path(f"/proc/self/ns/{path.name}").readlink():
            yield path


def _join_groups(pid: int) -> None:
    """Be in the same control groups. Raises OSError: the limits would not hold."""
    own = Path("/proc/self/cgroup").read_text().splitlines()
    for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if line in own or path == "/":
            continue
        group = _GROUPS / controllers.removeprefix("name=") / path.lstrip("/")
        (group / "cgroup.procs").write_text(str(os.getpid()))


def _outlive(parent: int) -> None:
    """Return when this process's parent has ended: a shell notes at its start whose child it is.

    Nothing tells a process that it was adopted. The parent does nothing else than end.
    """
    while os.getppid() == parent:
        select.select((), (), (), _MOMENT_SECONDS)


def _become_shell(slave: int, entrance: Entrance, found: Found, told: int) -> NoReturn:
    """Be the shell, with the terminal and nothing else open but `told`, which closes itself."""
    os.setsid()
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    if found.users is not None:
        linux.setns(found.users, linux.CLONE_NEWUSER)  # where only the agent's user is
    elif os.getuid() != found.uid:
        owners.become(Owner(found.uid, found.gid))
    os.chdir(entrance.directory)
    os.umask(0o022)
    os.sched_setaffinity(0, found.cores)
    for kind, limit in found.limits.items():
        resource.setrlimit(kind, limit)
    linux.drop_capabilities()
    if (program := filters.program(os.uname().machine)) is not None:
        linux.set_filter(program)
    for number in range(3):
        os.dup2(slave, number)
    os.closerange(3, told)
    os.closerange(told + 1, _DESCRIPTORS_MAX)
    for shell in SHELLS:
        with contextlib.suppress(FileNotFoundError):
            os.execve(shell, [f"-{shell.rpartition('/')[2]}"], entrance.environment)
    raise FileNotFoundError(0, "there is no shell", SHELLS[-1])


if __name__ == "__main__":
    try:
        main(int(sys.argv[1]), Entrance(**json.load(sys.stdin)))
    except OSError as failure:
        sys.exit(f"{failure.filename or ''} {failure.strerror or failure}".strip())
