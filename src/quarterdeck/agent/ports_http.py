"""The address of a kernel's ports in the agent's HTTP API: a WebSocket that carries the bytes of a connection, see `infra.byte_streams`."""

import contextlib
from collections.abc import Callable, Sequence

from aiohttp import web

from quarterdeck.agent.errors import KernelNotRunning
from quarterdeck.agent.network import Network
from quarterdeck.infra import byte_streams, http_server, websockets
from quarterdeck.wire.errors import Invalid

PORT_MAX = 65535


def routes(network: Network, pid: Callable[[str], int]) -> Sequence[web.RouteDef]:
    """Return the addresses. `pid` finds the process of a kernel with a network of its own, or raises why there is none."""
    api = _Api(network, pid)
    return [http_server.route("GET", "/v1/kernels/{id}/ports/{port}", api.connect)]


class _Api:
    def __init__(self, network: Network, pid: Callable[[str], int]) -> None:
        self._network = network
        self._pid = pid

    async def connect(self, request: web.Request) -> web.StreamResponse:
        kernel, port = http_server.path_id(request), _port(request.match_info["port"])
        websockets.demand(request)
        pid = self._pid(kernel)
        opened: web.WebSocketResponse | None = None
        # the kernel's end, or a broken connection: a close without an end says so
        with contextlib.suppress(OSError):
            async with (
                self._network.reached(kernel, pid, port) as inner,
                websockets.accepted(request, heartbeat_seconds=None) as opened,
            ):
                await byte_streams.join(byte_streams.WebSocketStream(opened), inner)
        if opened is None:
            raise KernelNotRunning
        return opened


def _port(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 5 and 1 <= int(text) <= PORT_MAX):
        raise Invalid("port", f"{text[:64]!r} is not a port: 1 to {PORT_MAX}")
    return int(text)
