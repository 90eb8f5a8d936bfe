"""Sessions on a durable platform: from request to first output, warm executions, throughput, memory, what idling costs.

Each in turn with Jupyter's Kernel Gateway, the latencies with its server, too. Our client is the SDK in this process: it takes its part of the same cores.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence

from benchmarks import platforms, processes
from benchmarks.figure import Figure
from benchmarks.peers import Peer
from quarterdeck.client.sessions import Session
from quarterdeck.testing.oracles import Observe
from quarterdeck.testing.tenancy import User
from shakeout.process import procfs
from shakeout.system.cluster import Cluster

ROUNDS = 10
CREATIONS, PEER_CREATIONS = 25, 2
EXECUTIONS, PEER_EXECUTIONS = 100, 10
RATE_ROUNDS = 3
CLIENTS = 8
RATE_SECONDS, PEER_RATE_SECONDS = 4.0, 6.0
IDLE_SECONDS = 5.0
COMPONENTS = ("manager", "agent", "storage-proxy")
PEER, SERVER = "jupyter_kernel_gateway", "jupyter_server"
MARKS = {PEER: "", SERVER: " (server)"}
"""What tells the rows of the second peer apart."""
SLOTS = {"cpu": 1, "memory_mib": 128}


async def figures() -> AsyncGenerator[Figure, None]:
    """All of them, from one cluster and one gateway."""
    async with platforms.durable() as cluster, platforms.visited(cluster) as user:
        with Peer("jupyter.py", "gateway") as gateway, Peer("jupyter.py", "server") as server:
            peers = {PEER: gateway, SERVER: server}
            await first_output(user)
            for peer in peers.values():
                peer.ask("first_output", 1)
            for figure in await creations(user, peers):
                yield figure
            for figure in await executions(user, peers):
                yield figure
            yield await rate(user, gateway)
            yield await memory(cluster, user, gateway)
            for figure in await idling(cluster, gateway):
                yield figure


async def creations(user: User, peers: Mapping[str, Peer]) -> list[Figure]:
    """From the request for a session to the first output of `print(1+1)`."""
    ours: list[float] = []
    theirs: dict[str, list[float]] = {name: [] for name in peers}
    for _ in range(ROUNDS):
        ours += [1000 * await first_output(user) for _ in range(CREATIONS)]
        for name, peer in peers.items():
            theirs[name] += peer.samples("first_output", PEER_CREATIONS)
    goals = ((0.5, "p50", 5, "3.0 ms"), (0.99, "p99", 10, "5.2 ms"))
    return latencies("create to first output", ours, theirs, goals)


async def executions(user: User, peers: Mapping[str, Peer]) -> list[Figure]:
    """`1+1` in a session that has run before."""
    session = await user.sessions.create(slots=SLOTS)
    await session.reaches("RUNNING", within=30)
    ran = await session.execute("1+1")
    assert ran.result == "2"
    ours: list[float] = []
    theirs: dict[str, list[float]] = {name: [] for name in peers}
    for _ in range(ROUNDS):
        ours += [
            1000 * await platforms.timed(lambda: session.execute("1+1")) for _ in range(EXECUTIONS)
        ]
        for name, peer in peers.items():
            theirs[name] += peer.samples("execute", PEER_EXECUTIONS)
    await end(session)
    goals = ((0.5, "p50", 0.8, "0.44 ms"), (0.99, "p99", 1.5, "0.67 ms"))
    return latencies("warm execute", ours, theirs, goals)


def latencies(
    what: str,
    ours: Sequence[float],
    theirs: Mapping[str, Sequence[float]],
    goals: Iterable[tuple[float, str, float, str]],
) -> list[Figure]:
    """One figure for each quantile and each peer, in milliseconds."""
    return [
        Figure(
            *(f"{what}, {name}{MARKS[peer]}", "ms", ours, goal),
            quantile=quantile,
            floor=floor,
            peer_name=peer,
            peer=samples,
        )
        for quantile, name, goal, floor in goals
        for peer, samples in theirs.items()
    ]


async def rate(user: User, gateway: Peer) -> Figure:
    """Sessions a second: create, execute, end, by eight clients at once."""
    ours, peer = [], []
    for _ in range(RATE_ROUNDS):
        ours.append(await sessions_a_second(user))
        peer += gateway.samples("rate", CLIENTS, PEER_RATE_SECONDS)
    return Figure(
        *("sessions a second, 8 clients", "/s", ours, 300),
        floor="460-480",
        peer_name=PEER,
        peer=peer,
        more_is_better=True,
    )


async def memory(cluster: Cluster, user: User, gateway: Peer) -> Figure:
    """What the processes of an idle session share with nobody: the interpreter, and who waits for its end."""
    session = await user.sessions.create(slots=SLOTS)
    await session.reaches("RUNNING", within=30)
    await session.execute("1+1")
    observe = Observe(cluster)
    marked = observe.kernel_pids(observe.kernel(session.id) or "")
    observe.close()
    parents = {found.parent for pid in marked if (found := procfs.stat(pid))}
    ours = [sum(processes.private_mb(pid) for pid in parents.union(marked))]
    await end(session)
    return Figure(
        *("private memory of an idle session", "MB", ours, 3),
        floor="1.0 MB",
        peer_name=PEER,
        peer=gateway.samples("memory"),
    )


async def idling(cluster: Cluster, gateway: Peer) -> list[Figure]:
    """Manager, agent and storage-proxy, with what they have forked, when nobody asks them anything."""
    own = [cluster.process(name).pid for name in COMPONENTS]
    pids = [each for pid in own for each in (pid, *procfs.tree(pid))]
    before = sum(processes.cpu_seconds(pid) for pid in pids)
    await asyncio.sleep(IDLE_SECONDS)
    used = sum(processes.cpu_seconds(pid) for pid in pids) - before
    proportional = sum(processes.memory_mb(pid) for pid in pids)
    peer = gateway.samples("idle", IDLE_SECONDS)
    return [
        Figure(
            *("idle: three components, of a core", "%", [100 * used / IDLE_SECONDS], 1),
            peer_name=PEER,
            peer=peer[:1],
        ),
        Figure(
            *("idle: three components, memory", "MB", [proportional], 250),
            peer_name=PEER,
            peer=peer[1:],
        ),
    ]


async def first_output(user: User) -> float:
    """Seconds from the request for a session to its first output; it is ended afterwards."""
    began = time.perf_counter()
    session = await user.sessions.create(slots=SLOTS, wait=30, execute="print(1+1)")
    seconds = time.perf_counter() - began
    assert session.execution is not None
    assert session.execution.stdout == "2\n"
    await end(session)
    return seconds


async def sessions_a_second(user: User) -> float:
    """Sessions that came, said something and went, a second."""
    done, began = 0, time.perf_counter()

    async def client() -> None:
        nonlocal done
        while time.perf_counter() < began + RATE_SECONDS:
            await first_output(user)
            done += 1

    async with asyncio.TaskGroup() as group:
        for _ in range(CLIENTS):
            group.create_task(client())
    return done / (time.perf_counter() - began)


async def end(session: Session) -> None:
    """End a session, and wait until it has."""
    await session.terminate(wait=30)
    assert session.view.status == "TERMINATED"
