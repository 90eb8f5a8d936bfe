"""The address of a kernel's ports: connections from outside to what a kernel serves, through the agent."""

import asyncio
import contextlib
import json

import pytest

from quarterdeck.agent import network
from quarterdeck.base import ids
from quarterdeck.base.clock import SystemClock
from quarterdeck.base.config import Secret
from quarterdeck.infra import http_client, websockets
from quarterdeck.infra.byte_streams import WebSocketStream
from quarterdeck.infra.errors import HandshakeRefused
from quarterdeck.testing import system as quarterdeck_system
from quarterdeck.wire import agents

SERVE = """
import socketserver, threading
class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        told = 0
        while piece := self.request.recv(65536):
            told += len(piece)
            self.request.sendall(piece)
        self.request.sendall(b"%d bytes" % told)
socketserver.ThreadingTCPServer.daemon_threads = True
server = socketserver.ThreadingTCPServer(({host!r}, {port}), Echo)
threading.Thread(target=server.serve_forever, daemon=True).start()
"""
MEBIBYTE = bytes(range(256)) * 4096

pytestmark = pytest.mark.usefixtures("mounts")


@pytest.fixture
def connect(cluster):
    """Connects to a port of a kernel of the shared agent."""

    @contextlib.asynccontextmanager
    async def connected(kernel, port, *, secret=quarterdeck_system.keys.agent, agent="agent"):
        url = agents.url(agent, cluster.address("agent.http"))
        auth = http_client.Signed(agents.CREDENTIAL, Secret(secret), SystemClock())
        address = f"{url}/v1/kernels/{kernel}/ports/{port}"
        async with (
            asyncio.timeout(60),
            websockets.Clients.open() as clients,
            clients.connect(address, auth=auth, heartbeat_seconds=None) as socket,
        ):
            yield WebSocketStream(socket)

    return connected


async def rest(stream):
    """All that comes until the other side's end."""
    pieces = []
    while piece := await stream.read():
        pieces.append(piece)
    return b"".join(pieces)


async def broken(stream):
    """Read past every end."""
    while True:
        await stream.read()


@pytest.mark.parametrize("host", ["0.0.0.0", "127.0.0.1", "main1"])
async def test_bytes_go_both_ways_and_each_way_ends_by_itself(agent, connect, host):
    kernel = await agent.make()
    await agent.execute(kernel.id, SERVE.format(host=host, port=8000))
    async with connect(kernel.id, 8000) as stream, asyncio.TaskGroup() as group:
        reading = group.create_task(rest(stream))
        for at in range(0, len(MEBIBYTE), 65536):
            await stream.write(MEBIBYTE[at : at + 65536])
        await stream.write(b"")
    assert reading.result() == MEBIBYTE + b"%d bytes" % len(MEBIBYTE)


async def test_who_takes_nothing_holds_up_the_other_side_and_loses_nothing(agent, connect):
    kernel = await agent.make()
    await agent.execute(
        kernel.id,
        "import socket, threading\nserver = socket.create_server(('', 8000))\nsent = []\n"
        "def serve():\n    one, _ = server.accept()\n    one.settimeout(1)\n"
        "    try:\n        while True: sent.append(one.send(bytes(65536)))\n"
        "    except TimeoutError: one.shutdown(1)\nthreading.Thread(target=serve).start()",
    )
    async with connect(kernel.id, 8000) as stream:
        blocked = await agent.execute(
            kernel.id, "import threading\nthreading.enumerate()[-1].join()\nsum(sent)"
        )
        assert len(await rest(stream)) == int(blocked.result) < 64 * 2**20


@pytest.mark.parametrize(
    ("port", "status"), [("8001", 502), ("0", 400), ("65536", 400), ("x", 400)]
)
async def test_a_port_that_nobody_serves_is_refused(agent, connect, port, status):
    kernel = await agent.make()
    with pytest.raises(HandshakeRefused) as refused:
        async with connect(kernel.id, port):
            pass
    assert refused.value.status == status


async def test_only_this_clusters_own_for_this_agent_and_a_kernel_that_is_here(agent, connect):
    kernel = await agent.make()
    cases = (
        (connect(kernel.id, 8000, secret="another"), 401),
        (connect(kernel.id, 8000, agent="agent-9"), 421),
        (connect(ids.new(SystemClock()), 8000), 404),
    )
    for connection, status in cases:
        with pytest.raises(HandshakeRefused) as refused:
            async with connection:
                pass
        assert refused.value.status == status


async def test_no_handshake_is_refused_with_a_problem_and_not_connected(agent):
    kernel = await agent.make()
    answer = await agent.send("GET", f"/v1/kernels/{kernel.id}/ports/8000")
    assert (answer.status, json.loads(answer.body)["code"]) == (426, "upgrade-required")


async def test_a_kernel_that_ends_ends_its_connections(agent, connect):
    kernel = await agent.make()
    await agent.execute(kernel.id, SERVE.format(host="0.0.0.0", port=8000))
    async with connect(kernel.id, 8000) as stream:
        await stream.write(b"hello")
        assert await stream.read() == b"hello"
        await agent.destroy(kernel.id)
        with pytest.raises(OSError, match="closed in the middle"):
            await broken(stream)


async def test_connections_to_a_kernel_are_bounded(agent, connect):
    kernel = await agent.make()
    await agent.execute(kernel.id, SERVE.format(host="0.0.0.0", port=8000))
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(network.CONNECTIONS_MAX):
            await stack.enter_async_context(connect(kernel.id, 8000))
        with pytest.raises(HandshakeRefused) as refused:
            await stack.enter_async_context(connect(kernel.id, 8000))
        assert refused.value.status == 409
    await agent.destroy(kernel.id)
