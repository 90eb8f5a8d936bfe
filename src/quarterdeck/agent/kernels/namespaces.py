"""What keeps a kernel apart from the rest of the machine: namespaces, a file system of its own, a filter. Used by `zygote` and `runner`.

As root a kernel's namespaces are made directly. An ordinary user's zygote first enters a user namespace of its own (its uid stays
the same), which lets it make the others. Where neither is allowed a kernel is a plain process: no mounts, and `supervisor` hunts
its descendants.
"""

import contextlib
import fcntl
import os
import socket
import struct
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, NoReturn

from quarterdeck.agent.kernels import binds, filters, linux, owners, rooms, roots, spec
from quarterdeck.agent.kernels.owners import Owner
from quarterdeck.agent.kernels.spec import KernelSpec, SetUpFailed

_APART = (
    linux.CLONE_NEWNS
    | linux.CLONE_NEWNET
    | linux.CLONE_NEWIPC
    | linux.CLONE_NEWUTS
    | linux.CLONE_NEWCGROUP
)
_SIOCSIFFLAGS, _UP_AND_RUNNING = 0x8914, 0x41
_WHY_BYTES_MAX = 1000
_DIRECTORY = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True)
class Isolation:
    """What this machine allows. `namespaced`: all of it, `user`: only through a user namespace; `why` not, in words.

    `rooms`: control groups that hold a kernel's memory.
    """

    namespaced: bool = False
    user: bool = False
    rooms: bool = False
    why: str = ""

    @property
    def mounts(self) -> bool:
        """Whether kernels can have mounts."""
        return self.namespaced

    @property
    def pids(self) -> bool:
        """Whether the end of a kernel's first process is the end of all."""
        return self.namespaced


def probe() -> Isolation:
    """Try out in child processes what is allowed here: all that a kernel needs."""
    reasons = []
    for user in (False, True):
        why = _failure_of_trial(user=user)
        if why is None:
            return Isolation(namespaced=True, user=user)
        reasons.append(f"{'in a user namespace' if user else 'directly'}: {why}")
    return Isolation(why="; ".join(reasons))


def enter_user_namespace(*, mounts: bool) -> None:
    """Enter a user namespace in which this process's uid and gid keep their numbers and it may make other namespaces.

    `mounts`: with a mount namespace, so that it may copy mounts; what is mounted later outside is seen in it.
    """
    uid, gid = os.geteuid(), os.getegid()
    linux.unshare(linux.CLONE_NEWUSER | (linux.CLONE_NEWNS if mounts else 0))
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1")
    Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1")


class Frame(NamedTuple):
    """What all kernels of a zygote have in common: `pattern` is a descriptor of the mount namespace that each has a copy of."""

    pattern: int
    shown: tuple[str, ...]
    program: bytes | None
    """The filter, see `filters`."""


def frame(*, user: bool) -> Frame:
    """Make the frame. `user`: this process is in a user namespace. Raises OSError."""
    shown = roots.programs(sys.path)
    ours, theirs = socket.socketpair()
    child = os.fork()
    if child == 0:
        _make_pattern(theirs, shown, user=user)
    theirs.close()
    with ours:
        said, given, _, _ = socket.recv_fds(ours, _WHY_BYTES_MAX, 1)
    os.waitpid(child, 0)
    if not given:
        raise OSError(0, f"no file system for kernels: {said.decode()}")
    return Frame(given[0], shown, filters.program(os.uname().machine))


def settle(owner: Owner, frame_: Frame) -> None:
    """Do for a kernel all that needs no spec: its namespaces, its network of one, its file system. Raises OSError."""
    if owner.room:
        rooms.enter(owner.room)
    linux.setns(frame_.pattern, linux.CLONE_NEWNS)
    linux.unshare(_APART)
    _raise_loopback()
    roots.make_own(owner, frame_.shown)


def open_trees(kernel: KernelSpec, owner: Owner) -> list[int]:
    """Make a kernel's directory; return descriptors of it and of its binds as mounts that are attached nowhere yet.

    Done outside of the kernel's namespaces, where its sources are. Raises `SetUpFailed`, OSError.
    """
    if owner.room:
        rooms.limit(owner.room, kernel.memory_bytes)
    work = make_directory(kernel)
    for bind in kernel.binds:
        make_below(work, bind.path)
    opened: list[int] = []
    try:
        opened.append(_open_tree(kernel.directory, owner, 0))
        opened.extend(open_bind(bind, owner) for bind in kernel.binds)
    except (OSError, SetUpFailed):
        for descriptor in opened:
            os.close(descriptor)
        raise
    return opened


def open_bind(bind: spec.Bind, owner: Owner) -> int:
    """Return a descriptor of a directory as a mount that is attached nowhere yet. Raises `SetUpFailed`."""
    safe = linux.MOUNT_NO_SUID | linux.MOUNT_NO_DEVICES
    with binds.source(bind) as source:
        try:
            return _open_tree(
                source, owner, safe | (linux.MOUNT_READ_ONLY if bind.read_only else 0)
            )
        except OSError as error:
            raise SetUpFailed("mount-failed", f"{bind.path}: {error.strerror}") from error


def make_directory(kernel: KernelSpec) -> str:
    """Make a kernel's directory with what is in it; return its working directory. Raises OSError: it is there already.

    Of one that runs `again` it is there, and its user may have put anything in it: links are not followed. Raises `SetUpFailed`.
    """
    directory = kernel.directory
    work, temporary = f"{directory}/{spec.WORK}", f"{directory}/{spec.TEMPORARY}"
    for name in (spec.WORK, spec.TEMPORARY) if kernel.again else ():
        make_below(directory, name)
    if not kernel.again:
        for one in (directory, work, temporary):
            os.mkdir(one, 0o700)  # noqa: PTH102 - a path object for each is time that each kernel pays
    return work


def make_below(top: Path | str, path: str) -> None:
    """Make a directory below one, with all between, where there is none: through no link, so never elsewhere. Raises `SetUpFailed`, OSError."""
    place = os.open(top, _DIRECTORY)
    try:
        for name in path.split("/"):
            with contextlib.suppress(FileExistsError):
                os.mkdir(name, 0o755, dir_fd=place)
            try:
                below = os.open(name, _DIRECTORY, dir_fd=place)
            except (NotADirectoryError, PermissionError) as error:
                raise SetUpFailed("mount-failed", f"{path}: {name} is no directory") from error
            os.close(place)
            place = below
    finally:
        os.close(place)


def furnish(kernel: KernelSpec, trees: Sequence[int]) -> None:
    """Put a kernel's directory, its binds and its name into a tree that `settle` made, and close it. Raises `SetUpFailed`, OSError."""
    directory, *binds = trees
    roots.put(directory, kernel.directory)
    for bind, tree in zip(kernel.binds, binds, strict=True):
        try:
            linux.move_mount(tree, f"{kernel.directory}/{spec.WORK}/{bind.path}")
        except OSError as error:
            raise SetUpFailed("mount-failed", f"{bind.path}: {error.strerror}") from error
    for tree in trees:
        os.close(tree)
    roots.name(kernel.hostname, kernel.hosts_file())


def become(owner: Owner) -> None:
    """Be of a user, or of a user namespace, that no other kernel is of: a limit of processes that is set now counts this kernel's alone."""
    if owner.mapping >= 0:
        owners.become(owner)
    else:
        enter_user_namespace(mounts=False)


def confine(program: bytes | None) -> None:
    """Give up for good every right over the machine that this process has."""
    linux.drop_capabilities()
    if program is not None:
        linux.set_filter(program)


def _open_tree(source: str | int, owner: Owner, attributes: int) -> int:
    tree = linux.open_tree(source)
    try:
        linux.restrict_mount(tree, attributes | linux.MOUNT_NO_SUID | linux.MOUNT_NO_DEVICES)
        if owner.mapping >= 0:
            linux.map_owners(tree, owner.mapping)
    except OSError:
        os.close(tree)
        raise
    return tree


def _make_pattern(link: socket.socket, shown: Sequence[str], *, user: bool) -> NoReturn:
    """Hand over a mount namespace that is a pattern."""
    try:
        linux.unshare(linux.CLONE_NEWNS)
        namespace = os.open("/proc/self/ns/mnt", os.O_RDONLY)
        roots.make_pattern(shown, processes=user)
        socket.send_fds(link, [b"."], [namespace])
    except OSError as error:
        link.send(str(error).encode())
    finally:
        os._exit(0)


def _raise_loopback() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", _UP_AND_RUNNING))


def _failure_of_trial(*, user: bool) -> str | None:
    """Return why a kernel cannot be namespaced, or None: it can."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(reading)
            _try(user=user)
            os.write(writing, b".")
        except OSError as error:
            os.write(writing, str(error).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as told:
        said = told.read(_WHY_BYTES_MAX)
    os.waitpid(child, 0)
    return None if said == b"." else said.decode() or "the trial ended without a word"


def _try(*, user: bool) -> None:
    """Be a kernel, but for its directory. Raises OSError."""
    if user:
        enter_user_namespace(mounts=True)
    owner = owners.Owners(mapped=not user).take()
    frame_ = frame(user=user)
    if not user:
        linux.map_owners(linux.open_tree("/usr"), owner.mapping)
    linux.unshare(linux.CLONE_NEWPID)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            settle(owner, frame_)
            roots.name("trial", "")
            become(owner)
            confine(frame_.program)
            code = 0
        except OSError as error:
            code = min(error.errno or 1, 255)
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    if code:
        raise OSError(code, os.strerror(code), "namespaces")
