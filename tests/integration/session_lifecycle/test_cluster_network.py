"""Kernels of a cluster that find each other by name, at the ports that their session declares, and nobody else."""

import hashlib

import pytest

from quarterdeck.client.errors import Refused
from shakeout.waiting.until import until

SLOTS = {"cpu": 1, "memory_mib": 64}
SERVE = """
import hashlib, os, socketserver, threading
class Digest(socketserver.BaseRequestHandler):
    def handle(self):
        digest = hashlib.sha256()
        while piece := self.request.recv(65536):
            digest.update(piece)
        self.request.sendall(f"{os.environ['QD_CLUSTER_HOST']} {digest.hexdigest()}".encode())
socketserver.ThreadingTCPServer.daemon_threads = True
server = socketserver.ThreadingTCPServer(("0.0.0.0", 8000), Digest)
threading.Thread(target=server.serve_forever, daemon=True).start()
"""
SEND = """
import socket
with socket.create_connection(({host!r}, {port}), 10) as one:
    one.sendall(bytes([{byte}]) * 2**20)
    one.shutdown(socket.SHUT_WR)
    told = one.makefile("rb").read()
told.decode()
"""
ECHO = """
import socket
server = socket.create_server(("0.0.0.0", 8000))
print(flush=True)
one, _ = server.accept()
one.sendall(one.recv(5))
one.recv(1)
"""
APART = f"""
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", {ECHO!r}], stdout=subprocess.PIPE)
child.stdout.readline()
"""
HOLD = """
import socket
held = socket.create_connection(("sub1", 8000), 10)
held.sendall(b"hello")
held.recv(5)
"""
NEVER = """
import socket
try:
    with socket.create_connection(({host!r}, {port}), 10) as one:
        told = f"connected, and then {{one.recv(1)!r}}"
except OSError as error:
    told = type(error).__name__
told
"""


@pytest.fixture
def cluster_of(user):
    """Makes a session of some kernels that have port 8000."""

    async def make(size):
        session = await user.sessions.create(slots=SLOTS, cluster_size=size, ports=[8000])
        await session.reaches("RUNNING", within=20)
        return session

    return make


def answer(name, byte):
    """What the server in a kernel says to a mebibyte of one byte."""
    return repr(f"{name} {hashlib.sha256(bytes([byte]) * 2**20).hexdigest()}")


async def told(session, code, kernel, **given):
    """What code comes to in a kernel."""
    done = await session.execute(code.format(**given), kernel=kernel)
    assert done.error is None, done.error
    return done.result


async def each_answers_to_each(session, *, served):
    """Check that each of three kernels reaches the server in each, after starting it if it is not there."""
    names = ("main1", "sub1", "sub2")
    for name in names if not served else ():
        await session.execute(SERVE, kernel=name)
    for byte, name in enumerate(names):
        for kernel in names:
            result = await told(session, SEND, kernel, host=name, port=8000, byte=byte)
            assert result == answer(name, byte)


async def test_kernels_reach_a_server_by_its_name(cluster_of, observe):
    """Kernels of a cluster find each other by name. Serve in sub1; send it a mebibyte from main1, sub2 and sub1 itself; look in SQL."""
    session = await cluster_of(3)
    assert observe.value("SELECT ports FROM sessions WHERE id = %s", session.id) == [8000]
    assert (await session.refresh()).ports == (8000,)
    await session.execute(SERVE, kernel="sub1")
    for byte, kernel in enumerate(("main1", "sub2", "sub1")):
        result = await told(session, SEND, kernel, host="sub1", port=8000, byte=byte)
        assert result == answer("sub1", byte)


async def test_every_kernel_may_serve_the_same_port(cluster_of):
    """A name is one kernel. Serve one port in all of three, on all addresses; each answers under its own name, to each."""
    await each_answers_to_each(await cluster_of(3), served=False)


async def test_what_is_not_served_or_not_declared_is_refused_at_once(cluster_of):
    """Nothing hangs. Connect to a declared port that nobody serves yet, and to one that is served and not declared."""
    session = await cluster_of(2)
    await session.execute(SERVE.replace("8000", "8001"), kernel="sub1")
    early = await told(session, NEVER, "main1", host="sub1", port=8000)
    assert early == "'ConnectionResetError'"
    undeclared = await told(session, NEVER, "main1", host="sub1", port=8001)
    assert undeclared == "'ConnectionRefusedError'"
    await session.execute(SERVE, kernel="sub1")
    result = await told(session, SEND, "main1", host="sub1", port=8000, byte=7)
    assert result == answer("sub1", 7)


async def test_no_other_session_reaches_a_server(cluster_of, user):
    """A cluster is for itself. Serve in one; from another cluster, and a plain session, neither its names nor its addresses lead there."""
    first, second = await cluster_of(2), await cluster_of(3)
    plain = await user.sessions.create(slots=SLOTS)
    await plain.reaches("RUNNING", within=20)
    await first.execute(SERVE, kernel="sub1")
    for host in ("sub1", "10.77.0.2"):
        alien = await told(second, NEVER, "main1", host=host, port=8000)
        assert alien == "'ConnectionResetError'"
    for host, error in (("sub1", "gaierror"), ("10.77.0.2", "OSError"), ("127.0.0.1", "Conn")):
        assert error in await told(plain, NEVER, "main1", host=host, port=8000)


async def test_a_connection_ends_with_the_server_that_it_leads_to(cluster_of):
    """A peer that dies is not waited for. Hold a connection to a process in sub1 and SIGKILL that; the other side is told."""
    session = await cluster_of(2)
    await session.execute(APART, kernel="sub1")
    assert await told(session, HOLD, "main1") == "b'hello'"
    await session.execute("child.kill()", kernel="sub1")
    assert await told(session, "held.recv(10)", "main1") == "b''"


async def test_impossible_ports_are_refused_before_anything_is_written(user, observe):
    """Ports are 1024 to 65535, each once, 16 at most. Ask for others; the field is named and no row is written."""
    for ports, field in (
        ([80], "ports.0"),
        ([8000, 65536], "ports.1"),
        ([8000, 8001, 8000], "ports.2"),
        (list(range(8000, 8017)), "ports"),
        (["http"], "ports.0"),
    ):
        with pytest.raises(Refused) as refused:
            await user.sessions.create(cluster_size=2, ports=ports)
        assert (refused.value.status, refused.value.field) == (400, field)
    assert observe.value("SELECT count(*) FROM sessions WHERE owner_id = %s", user.id) == 0


@pytest.mark.cluster(agent=2)
async def test_kernels_on_two_agents_reach_each_other(private_cluster, cluster_of, observe):
    """Where a peer is makes no difference. Serve in three kernels on two agents; each answers to each; then both agents start anew."""
    session = await cluster_of(3)
    rows = observe.rows("SELECT agent_id FROM kernels WHERE session_id = %s", session.id)
    assert {row["agent_id"] for row in rows} == {"agent-1", "agent-2"}
    await each_answers_to_each(session, served=False)
    early = await told(session, NEVER, "main1", host="sub1", port=8001)
    assert early == "'ConnectionRefusedError'"
    for agent in ("agent-1", "agent-2"):
        await private_cluster.kill(agent)
        await private_cluster.start(agent)
    await until(
        lambda: observe.value("SELECT count(*) FROM agents WHERE status = 'ALIVE'"),
        within=20,
        satisfied=lambda alive: alive == 2,
    )
    await each_answers_to_each(session, served=True)
