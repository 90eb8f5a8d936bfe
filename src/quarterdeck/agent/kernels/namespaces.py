"""What keeps a kernel apart from the rest of the machine: user, pid and mount namespaces. Used by `zygote` and `runner`.

As root the kernel's namespaces are made directly. An ordinary user's zygote first enters a user namespace of its own (its uid stays
the same), which lets it make the others. Where neither is allowed a kernel is a plain process: no mounts, and `supervisor` hunts
its descendants.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from quarterdeck.agent.kernels import linux
from quarterdeck.agent.kernels.spec import Bind, SetUpFailed

_PROC_FLAGS = linux.MS_NOSUID | linux.MS_NODEV | linux.MS_NOEXEC
_MOUNTS, _PIDS = 1, 2
_KEPT_FLAGS = {
    os.ST_NOSUID: linux.MS_NOSUID,
    os.ST_NODEV: linux.MS_NODEV,
    os.ST_NOEXEC: linux.MS_NOEXEC,
}


@dataclass(frozen=True)
class Isolation:
    """What this machine allows: `user`: only through a user namespace; `mounts`: mount namespaces; `pids`: pid namespaces too."""

    user: bool = False
    mounts: bool = False
    pids: bool = False


def probe() -> Isolation:
    """Try out in child processes what is allowed here."""
    for user in (False, True):
        found = _in_child(_try, user)
        if found & _MOUNTS:
            return Isolation(user=user, mounts=True, pids=bool(found & _PIDS))
    return Isolation()


def enter_user_namespace() -> None:
    """Enter a user namespace in which this process's uid and gid keep their numbers and it may make other namespaces."""
    uid, gid = os.geteuid(), os.getegid()
    linux.unshare(linux.CLONE_NEWUSER)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1")
    Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1")


def enter_mount_namespace(*, fresh_proc: bool) -> None:
    """Enter a mount namespace from which nothing spreads outwards; `fresh_proc`: /proc shows this pid namespace only."""
    linux.unshare(linux.CLONE_NEWNS)
    linux.mount("none", "/", None, linux.MS_REC | linux.MS_PRIVATE)
    if fresh_proc:
        linux.mount("proc", "/proc", "proc", _PROC_FLAGS)


def bind(binds: tuple[Bind, ...], directory: Path) -> None:
    """Make each source visible below a directory. Raises `SetUpFailed`."""
    for one in binds:
        target = directory / one.path
        target.mkdir(mode=0o755, parents=True, exist_ok=True)
        if not Path(one.source).is_dir():
            raise SetUpFailed("mount-source-missing", f"{one.path}: its directory is not there")
        try:
            linux.mount(one.source, str(target), None, linux.MS_BIND | linux.MS_REC)
            if one.read_only:
                linux.mount("none", str(target), None, _read_only_flags(target))
        except OSError as error:
            raise SetUpFailed("mount-failed", f"{one.path}: {error.strerror}") from error


def _read_only_flags(target: Path) -> int:
    """Return the flags of a read-only remount that keeps what a user namespace may not take away."""
    present = os.statvfs(target).f_flag
    kept = sum(flag for seen, flag in _KEPT_FLAGS.items() if present & seen)
    return linux.MS_BIND | linux.MS_REMOUNT | linux.MS_RDONLY | kept


def _try(user: bool) -> int:  # noqa: FBT001 - the one argument of a probe
    if user:
        enter_user_namespace()
    linux.unshare(linux.CLONE_NEWNS)
    linux.mount("none", "/", None, linux.MS_REC | linux.MS_PRIVATE)
    linux.mount("/", "/", None, linux.MS_BIND | linux.MS_REC)
    try:
        linux.unshare(linux.CLONE_NEWPID)
    except OSError:
        return _MOUNTS
    return _MOUNTS | _in_child(_try_proc, user)


def _try_proc(_user: bool) -> int:  # noqa: FBT001 - the one argument of a probe
    linux.mount("proc", "/proc", "proc", _PROC_FLAGS)
    return _PIDS


def _in_child(work: Callable[[bool], int], user: bool) -> int:  # noqa: FBT001 - passed on
    """Run a probe in a child and return its bits; an OSError in it is none."""
    child = os.fork()
    if child == 0:
        bits = 0
        try:
            bits = work(user)
        except OSError:
            bits = 0
        finally:
            os._exit(bits)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status) if os.WIFEXITED(status) else 0
