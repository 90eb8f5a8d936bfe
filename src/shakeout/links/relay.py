"""One connection through the proxy: two sockets, and a pipe from each to the other.

What one side does is told to the other in order and in time, by way of the pipe: bytes, the end of the bytes, the
loss of the whole side. `line` decides how the pipes behave.
"""

import contextlib
import random
import socket
import struct
from collections.abc import Callable
from typing import Protocol

from shakeout.links import loop as loops
from shakeout.links.behaviour import PLAIN, Behaviour
from shakeout.links.loop import Loop
from shakeout.links.messages import BACK, FORTH, Messages, Stopped
from shakeout.links.pipe import End, Pipe

READ_BYTES_MAX = 65536
_AT_ONCE = struct.pack("ii", 1, 0)


class Side:
    """One of both sockets, and the pipe for what is read from it."""

    def __init__(self, end: socket.socket, pipe: Pipe) -> None:
        self.end = end
        self.descriptor = end.fileno()
        self.pipe = pipe
        self.other = self
        self.gone = False
        self.silent = False
        """It has said that it sends no more."""
        self.choked = False
        """It takes no more bytes for now."""
        self.told = False
        """It knows that the other side sends no more."""
        self.interest = 0
        self.alarm = 0.0
        """When its pipe is looked at again, 0 for never."""


class Owner(Protocol):
    """Whose connection it is."""

    messages: Messages

    def over(self, relay: "Relay") -> None:
        """Both sockets are closed. Called once."""

    def send_ahead(self, relay: "Relay", data: bytes, then: Callable[[], None]) -> None:
        """Send a request on a connection of its own; call `then` once, when it is answered, or is not for a while."""


class Relay:
    """Moves bytes between the source, who connected, and the target, from when `connected` is called."""

    def __init__(
        self,
        loop: Loop,
        chance: random.Random,
        ends: tuple[socket.socket, socket.socket],
        owner: Owner,
    ) -> None:
        self._loop = loop
        self._owner = owner
        self._speaker: Side | None = None
        self._moving = False
        self._closed = False
        self.was_reset = False
        """By the link, and not by one of its ends."""
        self.source, self.target = (Side(end, Pipe(PLAIN, chance)) for end in ends)
        self.source.other, self.target.other = self.target, self.source

    def connected(self) -> None:
        """Begin to move."""
        self._moving = True
        for side in (self.source, self.target):
            self._push(side)
            self._watch(side)

    def behave(self, behaviour: Behaviour) -> None:
        """Behave differently from now on. Not for a cut: see `reset`."""
        self.source.pipe.change(behaviour.forth)
        self.target.pipe.change(behaviour.back)
        for side in (self.source, self.target):
            side.pipe.stopped = False
            side.alarm = 0.0
            if self._moving:
                self._push(side)
                self._watch(side)

    def refused(self) -> None:
        """There is no target to connect to: the source is told, by way of the pipe."""
        self._moving = True
        self._lose(self.target)

    def reset(self) -> None:
        """End it at once; both sides are told so, as far as their kind of socket can tell."""
        self.was_reset = self.was_reset or not self._closed
        for side in (self.source, self.target):
            self._drop(side)
        self._finish()

    def half_open(self, believer: Side) -> None:
        """Take one side away; the other hears nothing until the next `behave`, and nobody hears it."""
        if not believer.gone:
            believer.other.pipe.stopped = True
            self._lose(believer.other)

    def _handler(self, side: Side) -> Callable[[int], None]:
        def handle(events: int) -> None:
            if events & loops.WRITE:
                side.choked = False
                self._push(side.other)
                self._watch(side)
            if events & ~loops.WRITE and not side.gone:
                self._read(side)

        return handle

    def _read(self, side: Side) -> None:
        try:
            data = side.end.recv(READ_BYTES_MAX)
        except BlockingIOError:
            return
        except OSError:
            self._lose(side)
            return
        if data and side is not self._speaker:
            self._speaker = side
            self._begin_message(side, data)
        if data and side.pipe.direct and not side.other.gone:
            self._send_past(side, data)
            return
        if not data:
            side.silent = True
            side.pipe.finish(End.SHUT, self._loop.now())
        elif not side.other.gone:
            side.pipe.put(data, self._loop.now())
        self._push(side)

    def _begin_message(self, side: Side, data: bytes) -> None:
        told = self._owner.messages.begins(FORTH if side is self.source else BACK, data)
        if told is not None:
            side.pipe.stopped = True
            deliver, repeat = (lambda: self._go_on(side)), (lambda: self._repeat(side))
            self._owner.messages.stopped = Stopped(told, deliver, self.reset, repeat)

    def _go_on(self, side: Side) -> None:
        side.pipe.stopped = False
        if not self._closed:
            self._push(side)
            self._watch(side)

    def _repeat(self, side: Side) -> None:
        if side is not self.source:
            raise ValueError("an answer cannot come twice")
        self._owner.send_ahead(self, side.pipe.waiting, lambda: self._go_on(side))

    def _send_past(self, side: Side, data: bytes) -> None:
        """The way that nearly everything goes: straight on, and nothing to remember."""
        sent = self._send(side.other, data)
        side.pipe.passes(sent)
        if sent < len(data) and not side.other.gone:
            side.pipe.put(data[sent:], self._loop.now())
            self._watch(side)

    def _send(self, side: Side, data: bytes) -> int:
        """Bytes that it took; it may be gone afterwards."""
        try:
            sent = side.end.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._lose(side)
            return 0
        if sent < len(data):
            side.choked = True
            self._watch(side)
        return sent

    def _push(self, side: Side) -> None:
        """Send on what its pipe lets pass, tell its end, and come back when there is more."""
        pipe, other, now = side.pipe, side.other, self._loop.now()
        while not other.gone and not other.choked and (data := pipe.ready(now)):
            pipe.take(self._send(other, data), now)
        if pipe.exhausted:
            self.reset()
        elif not self._closed:
            self._tell_end(side, pipe.ended(now))
            self._set_alarm(side, now)
            self._watch(side)

    def _tell_end(self, side: Side, end: End | None) -> None:
        other = side.other
        if end is End.RESET:
            self._drop(other)
        elif end is End.SHUT and not other.told and not other.gone:
            other.told = True
            with contextlib.suppress(OSError):  # it is gone: reading from it will say so
                other.end.shutdown(socket.SHUT_WR)
        if other.told and side.told:
            self._close(side)
            self._close(other)
        self._finish()

    def _set_alarm(self, side: Side, now: float) -> None:
        when = side.pipe.wake_at()
        if when is None or when <= now or self._closed or (side.alarm and side.alarm <= when):
            return
        side.alarm = when

        def ring() -> None:
            if side.alarm == when and not self._closed:
                side.alarm = 0.0
                self._push(side)

        self._loop.at(when, ring)

    def _watch(self, side: Side) -> None:
        """Ask the kernel for what this side may do next."""
        if side.gone or self._closed:
            return
        reads = not side.silent and (side.other.gone or not side.pipe.full)
        interest = (loops.READ if reads else 0) | (loops.WRITE if side.choked else 0)
        if interest != side.interest:
            side.interest = interest
            self._loop.watch(side.descriptor, interest, self._handler(side))

    def _lose(self, side: Side) -> None:
        """A side has gone without a word: the other hears of it by the pipe."""
        self._drop(side)
        side.pipe.finish(End.RESET, self._loop.now())
        self._push(side)
        if not self._closed:
            self._watch(side.other)

    def _drop(self, side: Side) -> None:
        """Close with a reset."""
        if not side.gone:
            if side.end.family == socket.AF_INET:
                side.end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
            self._close(side)

    def _close(self, side: Side) -> None:
        if not side.gone:
            side.gone = True
            self._loop.forget(side.descriptor)
            side.end.close()

    def _finish(self) -> None:
        if self.source.gone and self.target.gone and not self._closed:
            self._closed = True
            self._owner.over(self)
