"""Other agents from an agent's side: their HTTP API, signed as managers sign. Used by `network`."""

import contextlib
from collections.abc import AsyncIterator

from quarterdeck.base.clock import Clock
from quarterdeck.base.config import Secret
from quarterdeck.infra import byte_streams, http_client, websockets
from quarterdeck.wire import agents


class PeerGateway:
    """Reaches kernels of other agents."""

    def __init__(self, clients: websockets.Clients, secret: Secret, clock: Clock) -> None:
        self._clients = clients
        self._auth = http_client.Signed(agents.CREDENTIAL, secret, clock)

    @contextlib.asynccontextmanager
    async def connected(
        self, peer: agents.KernelPeer, port: int
    ) -> AsyncIterator[byte_streams.Stream]:
        """Be connected to a port of a kernel for the time of a block. Raises `HandshakeRefused`, `Unreachable`."""
        url = f"{peer.agent}/v1/kernels/{peer.kernel}/ports/{port}"
        async with self._clients.connect(url, auth=self._auth, heartbeat_seconds=None) as socket:
            yield byte_streams.WebSocketStream(socket)
