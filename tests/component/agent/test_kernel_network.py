"""The agent's way into and out of a kernel's own network, with real sockets on both sides."""

import asyncio
import socket

import pytest

from quarterdeck.agent.kernels import inside
from quarterdeck.agent.kernels.errors import KernelDied
from quarterdeck.testing import workshops

SERVE = """
import socket, threading
server = socket.create_server(("127.0.0.1", 8000))
def serve():
    while True:
        one, _ = server.accept()
        one.sendall(one.recv(100).upper())
        one.close()
threading.Thread(target=serve, daemon=True).start()
"""
CALL = """
import socket
with socket.create_connection(("sub1", 9000)) as one:
    one.sendall(b"from inside")
    told = one.recv(100)
told
"""


async def test_the_agent_reaches_what_a_kernel_serves(workshop):
    first, second = await workshop.make(), await workshop.make()
    await workshops.execute(first, SERVE)
    loop = asyncio.get_running_loop()
    with await asyncio.to_thread(inside.socket_in, first.pid) as one:
        one.setblocking(False)
        await loop.sock_connect(one, ("127.0.0.1", 8000))
        await loop.sock_sendall(one, b"hello")
        assert await loop.sock_recv(one, 100) == b"HELLO"
    with await asyncio.to_thread(inside.socket_in, second.pid) as other:
        other.setblocking(False)
        with pytest.raises(ConnectionRefusedError):
            await loop.sock_connect(other, ("127.0.0.1", 8000))


async def test_a_kernel_reaches_what_the_agent_serves_in_it(workshop):
    kernel = await workshop.make(hostname="sub1")
    loop = asyncio.get_running_loop()
    with await asyncio.to_thread(inside.socket_in, kernel.pid) as server:
        server.bind(("127.0.1.1", 9000))
        server.listen()
        server.setblocking(False)
        async with asyncio.TaskGroup() as group:
            calling = group.create_task(workshops.execute(kernel, CALL))
            heard, _ = await loop.sock_accept(server)
            with heard:
                assert await loop.sock_recv(heard, 100) == b"from inside"
                await loop.sock_sendall(heard, b"from outside")
    assert calling.result().result == "b'from outside'"


SERVE_THE_SAME = """
import socket
server = socket.create_server(("0.0.0.0", 9000))
"""


@pytest.fixture(params=["workshop", "container_workshop"])
def shop(request):
    """Makes kernels with networks of their own, in namespaces and in containers."""
    return request.getfixturevalue(request.param)


async def test_what_listens_beyond_a_wire_takes_no_port_from_the_kernel(shop):
    kernel = await shop.make(hosts={"sub1": "10.77.0.2"})
    wire = (kernel.pid, "10.77.0.100", ["10.77.0.2", "10.77.0.3"], [9000])
    for one in await asyncio.to_thread(inside.listeners_in, *wire):  # of an agent that dies
        one.close()
    (listener,) = await asyncio.to_thread(inside.listeners_in, *wire)
    with listener:
        listener.setblocking(False)
        assert (await workshops.execute(kernel, SERVE_THE_SAME)).error is None
        async with asyncio.TaskGroup() as group:
            calling = group.create_task(workshops.execute(kernel, CALL))
            heard, _ = await asyncio.get_running_loop().sock_accept(listener)
            with heard:
                assert heard.getsockname() == ("10.77.0.2", 9000)
                await asyncio.get_running_loop().sock_sendall(heard, b"from outside")
    assert calling.result().result == "b'from outside'"


async def test_making_a_socket_leaves_the_agent_where_it_is(workshop):
    kernel = await workshop.make()
    with await asyncio.to_thread(inside.socket_in, kernel.pid):
        pass
    with socket.create_server(("127.0.0.1", 0)) as here:
        socket.create_connection(here.getsockname()).close()


async def test_a_kernel_that_is_gone_has_no_network(workshop):
    kernel = await workshop.make()
    await workshop.end(kernel)
    with pytest.raises(KernelDied):
        await asyncio.to_thread(inside.socket_in, kernel.pid)
