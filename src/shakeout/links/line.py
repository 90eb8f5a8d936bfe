"""One link inside the proxy: its behaviour, its open connections, and what has passed.

`server` gives it the connections of its source to its target; each of them is a `relay`.
"""

import random
import socket
from collections.abc import Callable
from typing import Any

from shakeout.links import loop as loops
from shakeout.links.ahead import Ahead
from shakeout.links.behaviour import Behaviour
from shakeout.links.echo import Echo
from shakeout.links.endpoint import Endpoint, Tcp
from shakeout.links.loop import Loop
from shakeout.links.messages import Messages
from shakeout.links.relay import Relay

RETRY_SECONDS = 0.005
"""A Unix socket whose queue is full tells nobody when there is room again."""


class Line:
    """Connections of one member to another."""

    def __init__(self, loop: Loop, chance: random.Random, source: str, target: str) -> None:
        self.source = source
        self.target = target
        self.behaviour = Behaviour()
        self.echo = Echo(loop)
        self.messages = Messages()
        self._loop = loop
        self._chance = chance
        self._relays: set[Relay] = set()
        self._targets: dict[Relay, Endpoint] = {}
        self._held: dict[Relay, Endpoint] = {}
        """Connections that have not begun: their target has not heard of them."""
        self._connections = self._resets = self._forth = self._back = 0

    def open(self, client: socket.socket, target: Endpoint | None) -> None:
        """Take a connection over. Without a target what it sends comes back: for probes."""
        self._connections += 1
        try:
            ahead = self._socket(client, target)
        except OSError:  # no more descriptors: as if nobody were there
            client.close()
            return
        relay = Relay(self._loop, self._chance, (client, ahead), self)
        self._relays.add(relay)
        if target is not None:
            self._targets[relay] = target
        if self.behaviour.cut:
            relay.reset()
            return
        relay.behave(self.behaviour)
        if target is None:
            relay.connected()
        elif self.behaviour.forth.held:
            self._held[relay] = target
        else:
            self._connect(relay, target)

    def change(self, behaviour: Behaviour) -> None:
        """Behave differently from now on."""
        self.behaviour = behaviour
        for relay in list(self._relays):
            if behaviour.cut:
                relay.reset()
            else:
                relay.behave(behaviour)
                self._begin_held(relay)

    def reset(self) -> None:
        """Reset all connections; later ones live."""
        for relay in list(self._relays):
            relay.reset()

    def release(self, how: str) -> None:
        """Deliver, lose or repeat the message that is stopped. Raises ValueError if there is none, or if it cannot be repeated."""
        stopped, acts = self.messages.stopped, ("deliver", "lose", "repeat")
        if stopped is None or how not in acts:
            raise ValueError(f"no message is stopped that could {how}")
        act: Callable[[], None] = getattr(stopped, how)
        act()
        self.messages.stopped = None

    def half_open(self, believer: str) -> None:
        """Take away the other end of each connection, without a word to the believer."""
        for relay in list(self._relays):
            relay.half_open(relay.source if believer == self.source else relay.target)

    def counters(self) -> dict[str, Any]:
        """As a part of a JSON message: see `links.Counters`."""
        forth = sum(relay.source.pipe.passed for relay in self._relays)
        back = sum(relay.target.pipe.passed for relay in self._relays)
        return {
            "source": self.source,
            "target": self.target,
            "connections": self._connections,
            "open": len(self._relays),
            "resets": self._resets,
            "bytes_forth": self._forth + forth,
            "bytes_back": self._back + back,
            "waiting_forth": sum(relay.source.pipe.size for relay in self._relays),
            "waiting_back": sum(relay.target.pipe.size for relay in self._relays),
            "echoed": self.echo.received,
        }

    def over(self, relay: Relay) -> None:
        """Forget a connection that has ended."""
        self._relays.discard(relay)
        self._held.pop(relay, None)
        self._targets.pop(relay, None)
        self._forth += relay.source.pipe.passed
        self._back += relay.target.pipe.passed
        self._resets += relay.was_reset

    def send_ahead(self, relay: Relay, data: bytes, then: Callable[[], None]) -> None:
        """Send a request on a connection of its own; call `then` once, when it is answered, or is not for a while."""
        self.open(Ahead(self._loop, data, then).other, self._targets[relay])

    def _socket(self, client: socket.socket, target: Endpoint | None) -> socket.socket:
        if target is None:
            return self.echo.end()
        if isinstance(target, Tcp):
            made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            for one in (client, made):
                if one.family == socket.AF_INET:
                    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        else:
            made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        made.settimeout(0)
        return made

    def _begin_held(self, relay: Relay) -> None:
        if relay in self._held and not self.behaviour.forth.held:
            self._connect(relay, self._held.pop(relay))

    def _connect(self, relay: Relay, target: Endpoint) -> None:
        end = relay.target.end
        try:
            end.connect((target.host, target.port) if isinstance(target, Tcp) else target.path)
        except BlockingIOError:
            if isinstance(target, Tcp):
                self._loop.watch(end.fileno(), loops.WRITE, lambda _: self._connected(relay))
            else:
                self._loop.at(self._loop.now() + RETRY_SECONDS, lambda: self._retry(relay, target))
        except OSError:
            relay.refused()
        else:
            relay.connected()

    def _retry(self, relay: Relay, target: Endpoint) -> None:
        if relay in self._relays:
            self._connect(relay, target)

    def _connected(self, relay: Relay) -> None:
        end = relay.target.end
        self._loop.forget(end.fileno())
        if end.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            relay.refused()
        else:
            relay.connected()
