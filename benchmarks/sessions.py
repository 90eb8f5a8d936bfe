"""Sessions on a durable platform: from request to first output, warm executions, throughput, memory, what idling costs.

Each in turn with Jupyter's Kernel Gateway, the latencies with its server, too, and with the floor, a throw-away system. Our client is the SDK in this process:
it takes its part of the same cores.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence

from benchmarks import floor, platforms, processes
from benchmarks.figure import Figure
from benchmarks.floor import Floor
from benchmarks.peers import Peer
from quarterdeck.agent.kernels.firsts import NURSERY
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
PEER, SERVER, FLOOR = "jupyter_kernel_gateway", "jupyter_server", "throw-away system"
MARKS = {PEER: "", SERVER: " (server)", FLOOR: " (floor)"}
"""What tells the rows of the other peers apart."""
SLOTS = {"cpu": 1, "memory_mib": 128}


async def figures() -> AsyncGenerator[Figure, None]:
    """All of them, from one cluster and one gateway."""
    async with platforms.durable() as cluster, platforms.visited(cluster) as user:
        with Peer("jupyter.py", "gateway") as gateway, Peer("jupyter.py", "server") as server:
            async for figure in in_turn(cluster, user, {PEER: gateway, SERVER: server}):
                yield figure
            yield await memory(cluster, user, gateway)
            for figure in await idling(cluster, gateway):
                yield figure


async def in_turn(
    cluster: Cluster, user: User, peers: Mapping[str, Peer]
) -> AsyncGenerator[Figure, None]:
    """What is measured in turn with the floor, too."""
    with floor.running(cluster.address("postgres")) as bare:
        await first_output(user)
        await bare.first_outputs(1)
        for peer in peers.values():
            peer.ask("first_output", 1)
        for figure in await creations(user, peers, bare):
            yield figure
        for figure in await executions(user, peers, bare):
            yield figure
        for figure in await rates(user, peers[PEER], bare):
            yield figure


async def creations(user: User, peers: Mapping[str, Peer], bare: Floor) -> list[Figure]:
    """From the request for a session to the first output of `print(1+1)`."""
    ours: list[float] = []
    theirs: dict[str, list[float]] = {name: [] for name in (*peers, FLOOR)}
    for _ in range(ROUNDS):
        ours += [1000 * await first_output(user) for _ in range(CREATIONS)]
        for name, peer in peers.items():
            theirs[name] += peer.samples("first_output", PEER_CREATIONS)
        theirs[FLOOR] += await bare.first_outputs(CREATIONS)
    goals = ((0.5, "p50", 5), (0.99, "p99", 10))
    return latencies("create to first output", ours, theirs, goals)


async def executions(user: User, peers: Mapping[str, Peer], bare: Floor) -> list[Figure]:
    """`1+1` in a session that has run before."""
    session = await user.sessions.create(slots=SLOTS)
    await session.reaches("RUNNING", within=30)
    ran = await session.execute("1+1")
    assert ran.result == "2"
    ours: list[float] = []
    theirs: dict[str, list[float]] = {name: [] for name in (*peers, FLOOR)}
    for _ in range(ROUNDS):
        ours += [
            1000 * await platforms.timed(lambda: session.execute("1+1")) for _ in range(EXECUTIONS)
        ]
        for name, peer in peers.items():
            theirs[name] += peer.samples("execute", PEER_EXECUTIONS)
        theirs[FLOOR] += await bare.executions(EXECUTIONS)
    await end(session)
    goals = ((0.5, "p50", 0.8), (0.99, "p99", 1.5))
    return latencies("warm execute", ours, theirs, goals)


def latencies(
    what: str,
    ours: Sequence[float],
    theirs: Mapping[str, Sequence[float]],
    goals: Iterable[tuple[float, str, float]],
) -> list[Figure]:
    """One figure for each quantile and each peer, in milliseconds."""
    return [
        Figure(
            *(f"{what}, {name}{MARKS[peer]}", "ms", ours, goal),
            quantile=quantile,
            peer_name=peer,
            peer=samples,
        )
        for quantile, name, goal in goals
        for peer, samples in theirs.items()
    ]


async def rates(user: User, gateway: Peer, bare: Floor) -> list[Figure]:
    """Sessions a second: create, execute, end, by eight clients at once."""
    ours: list[float] = []
    theirs: dict[str, list[float]] = {PEER: [], FLOOR: []}
    for _ in range(RATE_ROUNDS):
        ours.append(await sessions_a_second(user))
        theirs[PEER] += gateway.samples("rate", CLIENTS, PEER_RATE_SECONDS)
        theirs[FLOOR].append(await bare.rate(CLIENTS, RATE_SECONDS))
    return [
        Figure(
            *(f"sessions a second, {CLIENTS} clients{MARKS[peer]}", "/s", ours, 300),
            peer_name=peer,
            peer=samples,
            more_is_better=True,
        )
        for peer, samples in theirs.items()
    ]


async def memory(cluster: Cluster, user: User, gateway: Peer) -> Figure:
    """What the processes of an idle session share with nobody. The first of their namespace has no memory of its own."""
    session = await user.sessions.create(slots=SLOTS)
    await session.reaches("RUNNING", within=30)
    await session.execute("1+1")
    observe = Observe(cluster)
    marked = observe.kernel_pids(observe.kernel(session.id) or "")
    observe.close()
    ours = [sum(map(processes.private_mb, marked))]
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
    proportional = sum(processes.memory_mb(pid) for pid in pids if not shares_all(pid))
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


def shares_all(pid: int) -> bool:
    """Tell whether this is a first process of a kernel's namespace, which has the memory of the one that made it."""
    own = procfs.stat(pid)
    maker = procfs.stat(own.parent) if own else None
    return own is not None and maker is not None and own.comm == maker.comm == NURSERY


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
