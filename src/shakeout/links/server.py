"""The proxy of one cluster: listens at each front, finds out who connects, and gives the connection to its line.

A process of its own, forked from the zygote; `links` tells it what to do over its control channel, descriptor 3.

    {"do": "open", "seed", "fronts": [[member, front, target]], "stranger": pid}
    {"do": "starting", "member"}, {"do": "started", "member", "pid"}
    {"do": "set", "source", "target", "behaviour"}, {"do": "reset", ...}, {"do": "half-open", ..., "believer"}
    {"do": "pose", "address", "source"}          the next connection from there is a probe of that member
    {"do": "watch", "source", "target", "stop_at"}, {"do": "unwatch", ...}, {"do": "release", ..., "how"}    messages of a link
    {"do": "trapped", ...}                       answered with {"message": {...}}, if one is stopped
    {"do": "messages", ...}                      answered with {"messages": [...]}
    {"do": "counters"}                           answered with {"counters": [...]}
"""

import contextlib
import random
import resource
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shakeout.links import behaviour, endpoint
from shakeout.links import loop as loops
from shakeout.links.endpoint import Endpoint, Tcp
from shakeout.links.line import Line
from shakeout.links.loop import Loop
from shakeout.links.roster import STRANGER, Roster
from shakeout.process import child, protocol
from shakeout.process.protocol import Message

BACKLOG = 512
ACCEPTED_AT_ONCE_MAX = 64
PAUSE_SECONDS = 0.1


@dataclass(frozen=True)
class Front:
    """A listening socket, the member that it stands for, and where that one really listens."""

    listening: socket.socket
    member: str
    target: Endpoint


@dataclass(frozen=True)
class Newcomer:
    """A connection of which nobody knows yet whose it is."""

    end: socket.socket
    front: Front


def main() -> None:
    """Be the proxy until the control channel closes."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with socket.socket(fileno=child.LISTEN_DESCRIPTOR_FIRST) as control:
        Server(control).run()


class Server:
    """All that one proxy process holds."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._loop = Loop()
        self._roster = Roster()
        self._chance = random.Random()
        self._lines: dict[tuple[str, str], Line] = {}
        self._poses: dict[str, str] = {}
        self._newcomers: list[Newcomer] = []
        self._acts: dict[str, Callable[[Message], Message | None]] = {
            "open": self._open,
            "starting": lambda asked: self._roster.starting(asked["member"]),
            "started": self._started,
            "set": lambda asked: self._line(asked).change(behaviour.decode(asked["behaviour"])),
            "reset": lambda asked: self._line(asked).reset(),
            "half-open": lambda asked: self._line(asked).half_open(asked["believer"]),
            "pose": lambda asked: self._poses.update({asked["address"]: asked["source"]}),
            "watch": lambda asked: self._line(asked).messages.watch(asked["stop_at"]),
            "unwatch": lambda asked: self._line(asked).messages.unwatch(),
            "release": lambda asked: self._line(asked).release(asked["how"]),
            "trapped": self._trapped,
            "messages": lambda asked: {"messages": self._line(asked).messages.recorded},
            "counters": lambda _: {"counters": [one.counters() for one in self._lines.values()]},
        }

    def run(self) -> None:
        """Serve until the control channel closes."""
        self._loop.watch(self._control.fileno(), loops.READ, self._obey)
        self._loop.run()

    def _obey(self, _events: int) -> None:
        received = protocol.receive(self._control)
        if received is None:
            self._loop.running = False
            return
        asked, _ = received
        reply: Message = {"did": asked["token"]}
        try:
            reply |= self._acts[asked["do"]](asked) or {}
        except (OSError, ValueError, TypeError, KeyError) as refusal:
            reply["error"] = f"{type(refusal).__name__}: {refusal}"
        protocol.send(self._control, reply)

    def _trapped(self, asked: Message) -> Message:
        stopped = self._line(asked).messages.stopped
        return {} if stopped is None else {"message": stopped.told}

    def _open(self, asked: Message) -> None:
        self._chance.seed(asked["seed"])
        self._roster.stranger = asked["stranger"]
        for member, place, target in asked["fronts"]:
            listening = _listen(endpoint.decode(place))
            front = Front(listening, member, endpoint.decode(target))
            self._watch(front)

    def _watch(self, front: Front) -> None:
        def ready(_events: int) -> None:
            try:
                self._accept(front)
            except OSError:
                self._pause(front)

        self._loop.watch(front.listening.fileno(), loops.READ, ready)

    def _started(self, asked: Message) -> None:
        self._roster.started(asked["member"], asked["pid"])
        waiting, self._newcomers = self._newcomers, []
        for newcomer in waiting:
            with contextlib.suppress(OSError):  # no descriptors to look: it is closed
                self._welcome(newcomer)

    def _accept(self, front: Front) -> None:
        """Take those who wait; without descriptors for them, let them wait a little longer."""
        with contextlib.suppress(BlockingIOError):
            for _ in range(ACCEPTED_AT_ONCE_MAX):
                end, address = front.listening.accept()
                end.settimeout(0)
                self._take(Newcomer(end, front), address)

    def _pause(self, front: Front) -> None:
        self._loop.forget(front.listening.fileno())
        self._loop.at(self._loop.now() + PAUSE_SECONDS, lambda: self._watch(front))

    def _take(self, newcomer: Newcomer, address: Any) -> None:
        source = self._poses.pop(name_of(address), "") if self._poses else ""
        if source:
            self._find(source, newcomer.front.member).open(newcomer.end, None)
        else:
            self._welcome(newcomer)

    def _welcome(self, newcomer: Newcomer) -> None:
        """Give a connection to its line; of an unknown process, once all that start are known."""
        try:
            source = self._roster.whose(newcomer.end)
        except OSError:
            newcomer.end.close()
            raise
        if not source and not self._roster.complete:
            self._newcomers.append(newcomer)
            return
        front = newcomer.front
        self._find(source or STRANGER, front.member).open(newcomer.end, front.target)

    def _line(self, asked: Message) -> Line:
        return self._find(asked["source"], asked["target"])

    def _find(self, source: str, target: str) -> Line:
        if (source, target) not in self._lines:
            self._lines[source, target] = Line(self._loop, self._chance, source, target)
        return self._lines[source, target]


def name_of(address: Any) -> str:
    """Where a connection comes from, as a word: `host:port`, or the name of an abstract Unix socket. Pure."""
    if isinstance(address, tuple):
        return f"{address[0]}:{address[1]}"
    return address.hex() if isinstance(address, bytes) else str(address)


def _listen(place: Endpoint) -> socket.socket:
    if isinstance(place, Tcp):
        listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((place.host, place.port))
    else:
        Path(place.path).parent.mkdir(parents=True, exist_ok=True)
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listening.bind(place.path)
    listening.listen(BACKLOG)
    listening.settimeout(0)
    return listening
