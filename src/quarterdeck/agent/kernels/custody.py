"""What lets kernels outlive their agent: the zygote keeps the agent's ends of their channels and how they ended, for the next agent.

Standard library only; used by `zygote`. The agent's side of it is `forkserver` and `launcher`.
"""

import json
import os
import resource
import socket
from dataclasses import dataclass
from typing import Any

from quarterdeck.agent.kernels.door import Door

ENDS = 3
"""Descriptors of an agent's ends of a kernel's channels: control, stdout, stderr."""

PROTOCOL = 3
"""What zygote and agent say to each other; an agent parts from a zygote that tells another one."""

MESSAGE_BYTES_MAX = 2**16
DESCRIPTORS_MAX = 16
"""That come with one message."""


@dataclass
class _Kept:
    """The agent's ends of one kernel's channels, the first process of its pid namespace, and its end once it has come."""

    ends: tuple[int, ...]
    first: int = 0
    end: dict[str, Any] | None = None


class Custody:
    """What is kept of each kernel, until the agent says that it needs it no more."""

    def __init__(self) -> None:
        self._kept: dict[str, _Kept] = {}

    def keep(self, kernel: str, ends: list[int]) -> None:
        """Keep an agent's ends of a kernel's channels."""
        self.forget(kernel)
        self._kept[kernel] = _Kept(tuple(ends))

    def note_first(self, kernel: str, pid: int) -> None:
        """Take note of the first process of a kernel's pid namespace, as the agent sees it; 0: it has none of its own."""
        self._kept[kernel].first = pid

    def end(self, kernel: str, status: int | None, reason: str | None) -> dict[str, Any]:
        """Take note that a kernel has ended, and return how that is told: again and again until `forget`."""
        told = {"gone": kernel, "status": status, "reason": reason}
        kept = self._kept.get(kernel)
        if kept is not None:
            kept.end = told
        return told

    def rename(self, kernel: str, new: str) -> dict[str, Any] | None:
        """Keep what is kept of one under another id; return how its end is told now, if that has come."""
        kept = self._kept.pop(kernel, None)
        if kept is None:
            return None
        self._kept[new] = kept
        if kept.end is not None:
            kept.end = kept.end | {"gone": new}
        return kept.end

    def forget(self, kernel: str) -> None:
        """Close what is kept of a kernel."""
        kept = self._kept.pop(kernel, None)
        if kept is not None:
            for descriptor in kept.ends:
                os.close(descriptor)

    def hand_over(self, agent: socket.socket) -> None:
        """Give an agent what is kept of all kernels. Raises OSError."""
        for kernel, kept in self._kept.items():
            told = {"held": kernel, "first": kept.first}
            socket.send_fds(agent, [json.dumps(told).encode()], list(kept.ends))
            if kept.end is not None:
                agent.send(json.dumps(kept.end).encode())


class Line:
    """The line to the agent that is here, and, with a door, to those that come after it."""

    def __init__(self, agent: socket.socket) -> None:
        self.custody = Custody()
        self._agent: socket.socket | None = agent
        self._door: Door | None = None

    def sources(self) -> list[socket.socket]:
        """Return what becomes readable when somebody comes, speaks or goes."""
        door = self._door.listener if self._door is not None else None
        return [source for source in (self._agent, door) if source is not None]

    def lasts(self) -> bool:
        """Tell whether an agent is here, or another may come."""
        return self._agent is not None or (self._door is not None and not self._door.is_in_vain())

    def wait_ms(self) -> int | None:
        """Return how long to wait before `lasts` is worth asking; None: until something comes."""
        return self._door.wait_ms() if self._agent is None and self._door is not None else None

    def speaks(self, ready: set[int]) -> bool:
        """Tell whether the agent has said something, or is gone, by the descriptors that are readable."""
        return self._agent is not None and self._agent.fileno() in ready

    def knocks(self, ready: set[int]) -> bool:
        """Tell whether somebody is at the door, by the descriptors that are readable."""
        return self._door is not None and self._door.listener.fileno() in ready

    def receive(self) -> tuple[dict[str, Any], list[int]] | None:
        """Return what the agent says, with descriptors; None: it is gone."""
        if self._agent is None:
            return None
        try:
            data, given, _, _ = socket.recv_fds(
                self._agent, MESSAGE_BYTES_MAX, DESCRIPTORS_MAX, socket.MSG_CMSG_CLOEXEC
            )
        except ConnectionError:
            data, given = b"", []
        if not data:
            self.lose()
            return None
        return json.loads(data), given

    def say(self, message: dict[str, Any]) -> None:
        """Tell the agent something, if one is here."""
        try:
            if self._agent is not None:
                self._agent.send(json.dumps(message).encode())
        except ConnectionError:
            self.lose()

    def lose(self) -> None:
        """Take note that the agent is gone."""
        if self._agent is not None:
            self._agent.close()
        self._agent = None
        if self._door is not None:
            self._door.open()

    def make_door(self, listener: int, directory: int, seconds: float) -> None:
        """Let others come after this agent."""
        self._door = Door(socket.socket(fileno=listener), directory, seconds)

    def admit(self) -> bool:
        """Let the next agent in, in place of the one that was here: it has the lock that only one can have. Tell whether one came."""
        visitor = self._door.admit() if self._door is not None else None
        if visitor is None:
            return False
        if self._agent is not None:
            self._agent.close()
        self._agent = visitor
        try:
            self.custody.hand_over(visitor)
        except OSError:
            self.lose()
        return True

    def close(self) -> None:
        """Part from the agent and take the door away: whoever comes starts another zygote."""
        if self._door is not None:
            self._door.close()
        self._door = None
        self.lose()


def close_all_but(*kept: int) -> None:
    """Close every descriptor of this process, a fork, but the standard ones and those that are named: a system call each side of them."""
    first = 3
    for descriptor in sorted(kept):
        os.closerange(first, descriptor)
        first = descriptor + 1
    os.closerange(first, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
