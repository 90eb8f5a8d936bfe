"""Connects kernels: those of a cluster with each other, by name, and others with what a kernel serves. Between `service` and `kernels.inside`.

For each kernel of a cluster with declared ports we listen in its network, at an address for each peer, and relay each connection to that
peer: into its network if it is here, else through its agent. Nobody else can reach these addresses, and they lead nowhere else.
"""

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

from quarterdeck.agent import model
from quarterdeck.agent.errors import PortRefused, TooManyConnections
from quarterdeck.agent.kernels import inside, spec
from quarterdeck.agent.kernels.errors import KernelDied, KernelNotStarted
from quarterdeck.base import tasks
from quarterdeck.base.errors import QuarterdeckError
from quarterdeck.infra import byte_streams
from quarterdeck.wire.agents import KernelCreate, KernelPeer

CONNECTIONS_MAX = 256
"""From one kernel, and again to one."""
CONNECT_SECONDS_MAX = 5.0
SERVED_AT = (spec.OWN_ADDRESS, "127.0.0.1")
"""Where the server of a kernel may be: at the kernel's name, or only at its `localhost`."""

Elsewhere = Callable[[KernelPeer, int], AbstractAsyncContextManager[byte_streams.Stream]]
"""Connects to a port of a kernel of another agent. Raises OSError and `QuarterdeckError`."""

_log = logging.getLogger(__name__)


@dataclass
class _Scopes:
    """The connections of a kernel, in one direction: bounded, and all ended at once."""

    open: set[asyncio.Timeout] = field(default_factory=set)

    @contextlib.asynccontextmanager
    async def entered(self) -> AsyncIterator[None]:
        """Let a block be ended by `end`, with TimeoutError. Raises `TooManyConnections`."""
        if len(self.open) >= CONNECTIONS_MAX:
            raise TooManyConnections(f"A kernel has at most {CONNECTIONS_MAX}")
        async with asyncio.timeout(None) as scope:
            self.open.add(scope)
            try:
                yield
            finally:
                self.open.discard(scope)

    def end(self) -> None:
        for scope in self.open:
            if not scope.expired():
                scope.reschedule(asyncio.get_running_loop().time())


@dataclass
class _Member:
    """A kernel of a cluster. `peers` by the addresses at which it sees them."""

    pid: int
    peers: Mapping[str, KernelPeer]
    listeners: Sequence[socket.socket]
    serving: _Scopes = field(default_factory=_Scopes)
    outgoing: _Scopes = field(default_factory=_Scopes)

    def end(self) -> None:
        self.serving.end()
        self.outgoing.end()


class Network:
    """The networks of one agent's kernels."""

    def __init__(self, elsewhere: Elsewhere, background: tasks.Background) -> None:
        self._elsewhere = elsewhere
        self._background = background
        self._members: dict[str, _Member] = {}
        self._incoming: dict[str, _Scopes] = {}

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, elsewhere: Elsewhere) -> AsyncIterator["Network"]:
        """Own all connections for the time of a block."""
        async with tasks.background() as background:
            yield cls(elsewhere, background)

    async def join(self, id_: str, pid: int, request: KernelCreate) -> None:
        """Let a kernel reach its peers from now on; nothing happens if it has none. Raises `KernelNotStarted`."""
        peers = model.peer_addresses(id_, request)
        if not peers:
            return
        try:
            listeners = await asyncio.to_thread(
                inside.listeners_in, pid, model.WIRE_ADDRESS, tuple(peers), request.ports
            )
        except KernelDied:  # its end is told by others
            return
        except OSError as error:
            raise KernelNotStarted(f"It cannot reach its peers: {error}") from error
        self.leave(id_)
        member = self._members[id_] = _Member(pid, peers, listeners)
        self._background.start(self._serve(member))

    def leave(self, id_: str) -> None:
        """End all that a kernel has to do with others; fine if there is nothing."""
        member = self._members.pop(id_, None)
        if member is not None:
            member.end()
        incoming = self._incoming.pop(id_, None)
        if incoming is not None:
            incoming.end()

    @contextlib.asynccontextmanager
    async def reached(self, id_: str, pid: int, port: int) -> AsyncIterator[byte_streams.Stream]:
        """Be connected to a port of a kernel for the time of a block, which ends with TimeoutError when the kernel does.

        Raises `PortRefused`, `TooManyConnections`, `KernelDied`.
        """
        incoming = self._incoming.setdefault(id_, _Scopes())
        try:
            async with incoming.entered(), byte_streams.kept(await _connected(pid, port)) as one:
                yield one
        finally:
            if not incoming.open and self._incoming.get(id_) is incoming:
                del self._incoming[id_]

    async def _serve(self, member: _Member) -> None:
        """Accept what the kernel connects, until it leaves."""
        with contextlib.ExitStack() as stack, contextlib.suppress(TimeoutError):
            for listener in member.listeners:
                stack.enter_context(listener)
            async with member.serving.entered(), tasks.background() as background:
                for listener in member.listeners[1:]:
                    background.start(self._accept(member, listener, background))
                await self._accept(member, member.listeners[0], background)

    async def _accept(
        self, member: _Member, listener: socket.socket, background: tasks.Background
    ) -> None:
        loop = asyncio.get_running_loop()
        listener.setblocking(False)  # noqa: FBT003 - the standard library's signature
        outage = tasks.Outage("accept")
        while True:
            try:
                accepted, _ = await loop.sock_accept(listener)
            except OSError as error:  # no descriptors left, say
                await outage.failed(error)
                continue
            outage.over()
            accepted.setblocking(False)  # noqa: FBT003 - the standard library's signature
            background.start(self._relay(member, accepted))

    async def _relay(self, member: _Member, accepted: socket.socket) -> None:
        """Connect what a kernel has connected to the peer that it meant. Raises nothing: the kernel sees that it is broken."""
        address, port = accepted.getsockname()
        peer = member.peers[address]
        try:
            async with (
                byte_streams.kept(accepted) as one,
                member.outgoing.entered(),
                self._connected(peer, port) as other,
            ):
                await byte_streams.join(one, other)
        except (OSError, QuarterdeckError) as error:
            _log.debug("relay-broken", extra={"peer": peer.kernel, "error": repr(error)})

    def _connected(
        self, peer: KernelPeer, port: int
    ) -> AbstractAsyncContextManager[byte_streams.Stream]:
        here = self._members.get(peer.kernel)
        if here is None:
            return self._elsewhere(peer, port)
        return self.reached(peer.kernel, here.pid, port)


async def _connected(pid: int, port: int) -> socket.socket:
    """Return a socket that is connected to a kernel's port, as if from within. Raises `PortRefused`, `KernelDied`."""
    why: OSError | None = None
    for address in SERVED_AT:
        try:
            return await _connect(pid, address, port)
        except OSError as error:
            why = error
    detail = (why and why.strerror) or "no answer"
    raise PortRefused(f"Port {port}: {detail}", field="port") from why


async def _connect(pid: int, address: str, port: int) -> socket.socket:
    with contextlib.ExitStack() as unless_connected:
        one = unless_connected.enter_context(await asyncio.to_thread(inside.socket_in, pid))
        one.setblocking(False)  # noqa: FBT003 - the standard library's signature
        async with asyncio.timeout(CONNECT_SECONDS_MAX):
            await asyncio.get_running_loop().sock_connect(one, (address, port))
        unless_connected.pop_all()
    return one
