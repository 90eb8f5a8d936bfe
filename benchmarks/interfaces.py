"""What people and programs touch: `qd` from a shell, and the manager's reads under load. On a durable platform."""

import os
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Mapping

from benchmarks import load, peers, platforms
from benchmarks.figure import Figure
from benchmarks.peers import Peer
from quarterdeck.base.clock import SystemClock
from quarterdeck.client import api
from quarterdeck.testing.tenancy import User

RUNS = 15
READERS = 32
READ_ROUNDS = 3
READ_SECONDS = 3.0


async def figures() -> AsyncGenerator[Figure, None]:
    """Command line and reads."""
    async with platforms.durable() as cluster, platforms.visited(cluster) as user:
        helped, listed, peer = commands(user)
        for name, ours, goal in (("qd --help", helped, 70), ("qd session ls", listed, 120)):
            yield Figure(
                *(name, "ms", ours, goal),
                floor="13 ms",
                peer_name="jupyter --help",
                peer=peer,
            )
        yield await reads(user)


def commands(user: User) -> tuple[list[float], list[float], list[float]]:
    """Milliseconds of `qd --help`, of `qd session ls`, and of the peer."""
    access = {
        "QD_URL": user.url,
        "QD_ACCESS_KEY": user.keypair.access_key,
        "QD_SECRET_KEY": user.keypair.secret_key,
    }
    helped, listed, peer = [], [], []
    for _ in range(RUNS):
        helped.append(1000 * shell(("--help",), {}))
        listed.append(1000 * shell(("session", "ls"), access))
        peer += [1000 * seconds for seconds in peers.command("jupyter", "--help")]
    return helped, listed, peer


async def reads(user: User) -> Figure:
    """Reads of one session by 32 readers at once; they share the cores with the server. In turn with reads of a kernel."""
    session = await user.sessions.create()
    await session.reaches("RUNNING", within=30)
    prepared = user.credentials.prepare(api.get_session(session.id), SystemClock().now())
    url = prepared.url + prepared.target
    head = load.get(url, dict(prepared.headers))
    ours, peer = [], []
    with Peer("jupyter.py", "gateway") as gateway:
        kernel = gateway.ask("kernel")
        for _ in range(READ_ROUNDS):
            ours.append(await load.rate(url, head, connections=READERS, seconds=READ_SECONDS))
            if kernel:
                peer.append(
                    await load.rate(
                        kernel, load.get(kernel, {}), connections=READERS, seconds=READ_SECONDS
                    )
                )
    return Figure(
        *("GET a session, 32 connections", "/s", ours, 5000),
        floor="5,400-7,000",
        peer_name="jupyter_kernel_gateway, GET a kernel",
        peer=peer,
        more_is_better=True,
    )


def shell(words: tuple[str, ...], access: Mapping[str, str]) -> float:
    """Seconds of one `qd` command."""
    began = time.perf_counter()
    subprocess.run(
        (sys.executable, "-m", "quarterdeck.cli", *words),
        stdout=subprocess.DEVNULL,
        check=True,
        env={**os.environ, **access},
    )
    return time.perf_counter() - began
