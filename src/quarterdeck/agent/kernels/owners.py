"""Who a kernel's processes are to the host, and how they still own their files. Used by `zygote`.

The kernels of root's agent get an unprivileged uid each, unknown to the host. Their directories are mounted so that what the agent's user
owns on disk is theirs, and what they write belongs to the agent's user on disk. Those of an ordinary user stay that user.
"""

import os
import socket
from pathlib import Path
from typing import NamedTuple

from quarterdeck.agent.kernels import linux
from quarterdeck.agent.kernels.rooms import Rooms

_FIRST = 0x40000000
_ZYGOTES, _KERNELS = 2**18, 2**12
"""So many zygotes of one machine have uids of their own, each for so many kernels: up to 0x7fffffff."""


class Owner(NamedTuple):
    """The uid and gid of a kernel, and a descriptor of the user namespace that maps the agent's to them; -1: they are the agent's.

    `room`: the group that holds its memory, see `rooms`; empty: there is none.
    """

    uid: int
    gid: int
    mapping: int = -1
    room: str = ""


class Owners:
    """The owners of one zygote's kernels. A kernel that is gone leaves its owner to another."""

    def __init__(self, *, mapped: bool, rooms: Rooms | None = None) -> None:
        """`mapped`: kernels are others than the agent. Only root can have that."""
        self._rooms = rooms
        self._own = Owner(os.geteuid(), os.getegid())
        self._first = _FIRST + host_pid() % _ZYGOTES * _KERNELS if mapped else 0
        self._made = 0
        self._free: list[Owner] = []

    @classmethod
    def open(cls, *, namespaced: bool, user: bool) -> "Owners":
        """Return the owners of a zygote whose kernels are isolated so, with rooms if it may make them."""
        rooms = Rooms.open(host_pid()) if namespaced else None
        return cls(mapped=namespaced and not user, rooms=rooms)

    @property
    def have_rooms(self) -> bool:
        """Whether each kernel has a room of memory."""
        return self._rooms is not None

    def take(self) -> Owner:
        """Return an owner that no other kernel has. Raises OSError."""
        if self._rooms is None:
            return self._one()
        room = self._rooms.take()
        try:
            return self._one()._replace(room=room)
        except OSError:
            self._rooms.give_back(room)
            raise

    def give_back(self, owner: Owner) -> str | None:
        """Let another kernel have this owner: every process of the kernel is gone. Returns why, if it had no memory left."""
        if owner.mapping >= 0:
            self._free.append(owner._replace(room=""))
        return None if self._rooms is None else self._rooms.give_back(owner.room)

    def _one(self) -> Owner:
        if not self._first:
            return self._own
        if self._free:
            return self._free.pop()
        uid = self._first + self._made
        owner = Owner(uid, uid, _mapping(self._own, uid))
        self._made += 1
        return owner


def become(owner: Owner) -> None:
    """Make this process the owner's, for good."""
    os.setgroups([])
    os.setresgid(owner.gid, owner.gid, owner.gid)
    os.setresuid(owner.uid, owner.uid, owner.uid)
    linux.prctl(linux.PR_SET_DUMPABLE, 1)


def _mapping(own: Owner, uid: int) -> int:
    """Return a descriptor of a user namespace in which `own` is `uid`, for `linux.map_owners`."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        child = os.fork()
        if child == 0:
            _hold_user_namespace(ours, theirs)
        theirs.close()
        try:
            pid = int(ours.recv(32) or b"0")
            if pid == 0:
                raise OSError(0, "no user namespace")
            Path(f"/proc/{pid}/uid_map").write_text(f"{own.uid} {uid} 1")
            Path(f"/proc/{pid}/gid_map").write_text(f"{own.gid} {uid} 1")
            return os.open(f"/proc/{pid}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
        finally:
            ours.close()
            os.waitpid(child, 0)


def _hold_user_namespace(ours: socket.socket, theirs: socket.socket) -> None:
    """Be in a new user namespace until the other side has seen it. Never returns."""
    try:
        ours.close()
        linux.unshare(linux.CLONE_NEWUSER)
        theirs.send(str(host_pid()).encode())
        theirs.recv(1)
    finally:
        os._exit(0)


def host_pid() -> int:
    """Return this process's pid as the host sees it, wherever it is."""
    return int(os.readlink("/proc/self"))  # noqa: PTH115 - a number, not a path
