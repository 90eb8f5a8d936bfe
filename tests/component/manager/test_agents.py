"""Agents that come, go and start anew, as the manager sees them."""

import asyncio
import contextlib
import uuid

import msgspec

from quarterdeck.client.errors import SessionEnded
from quarterdeck.infra import etcd
from quarterdeck.infra.postgres import Database
from quarterdeck.manager.agents.ports import Registered
from quarterdeck.manager.agents.store import AgentStore
from quarterdeck.testing import manager_fixtures
from quarterdeck.testing import system as quarterdeck_system
from quarterdeck.testing.fakes.agent_http import StubAgent
from quarterdeck.wire.agents import AgentRecord, KernelView
from quarterdeck.wire.sessions import Slots
from quarterdeck.wire.states import KernelStatus
from shakeout.waiting.until import until


async def reason(session, within=10):
    with contextlib.suppress(SessionEnded):
        await session.reaches("TERMINATED", within=within)
    return (await session.refresh()).reason


async def statuses(admin):
    return {view.id: str(view.status) for view in await admin.agents.list()}


async def test_agents_are_alive_while_registered(cluster, admin):
    """Whoever is registered is alive, whoever is not is lost. Bring an agent and take it away."""
    async with manager_fixtures.agent(cluster, "coming"):
        await until(
            lambda: statuses(admin), satisfied=lambda now: now.get("coming") == "ALIVE", within=5
        )
    await until(
        lambda: statuses(admin), satisfied=lambda now: now.get("coming") == "LOST", within=5
    )


async def test_lost_agent_ends_its_sessions_and_frees_their_slots(cluster, user, observe):
    """Nothing hangs on a machine that is gone. Take the agent away under a running session."""
    async with manager_fixtures.agent(cluster):
        session = await user.sessions.create()
        await session.reaches("RUNNING", within=5)
    assert await reason(session) == "agent-lost"
    assert observe.slots_in_use() == (0, 0)


async def test_session_not_begun_waits_again_when_its_agent_is_lost(cluster, user, observe):
    """Nobody pays for a machine that never began. Lose the agent while the create is held, bring another."""
    async with manager_fixtures.agent(cluster, "first") as first:
        with first.held():
            creating = await user.sessions.create()
            await first.arrived.wait()
    assert await reason(creating) == "agent-lost"


async def test_agent_that_started_anew_has_lost_its_kernels(cluster, user, observe):
    """A kernel does not outlive its agent's memory. Register the same agent again, empty."""
    async with manager_fixtures.agent(cluster) as agent:
        session = await user.sessions.create()
        await session.reaches("RUNNING", within=5)
        agent.kernels.clear()
        async with manager_fixtures.agent(cluster):
            assert await reason(session) == "kernel-missing"


async def test_orphans_are_destroyed_and_kernels_of_others_are_not(cluster, user, observe):
    """Only what belongs to nobody goes. Put a stranger beside a running session's kernel."""
    async with manager_fixtures.agent(cluster) as agent:
        session = await user.sessions.create()
        await session.reaches("RUNNING", within=5)
        orphan = str(uuid.uuid4())
        agent.kernels[orphan] = KernelView(
            id=orphan, session=session.id, status=KernelStatus.RUNNING, slots=Slots()
        )
        await until(lambda: orphan not in agent.kernels, within=10)
        assert list(agent.kernels) == [observe.kernel(session.id)]
        assert (await session.refresh()).status == "RUNNING"


async def test_other_agent_at_a_lost_agents_address_is_not_harmed(cluster, user, observe):
    """An address is no identity. Let a second agent with its own kernels answer where the first one was."""
    secret = quarterdeck_system.keys.agent
    second = StubAgent("second", secret, Slots(4, manager_fixtures.MEMORY_MIB))
    async with etcd.Etcd.open(cluster.address("etcd")) as registry:
        async with second.serving(registry) as address:
            session = await user.sessions.create()
            await session.reaches("RUNNING", within=5)
            first = StubAgent("first", secret, Slots(4, manager_fixtures.MEMORY_MIB))
            async with first.registered(registry, address):
                await until(lambda: second.inventories > 3, within=15)
            assert (await session.refresh()).status == "RUNNING"
            assert list(second.kernels) == [observe.kernel(session.id)]


async def test_kernel_event_is_looked_into_at_once(cluster, user, observe):
    """A death that is told is known before the next sweep. Publish the event as an agent does."""
    async with manager_fixtures.agent(cluster) as agent:
        session = await user.sessions.create()
        await session.reaches("RUNNING", within=5)
        kernel = observe.kernel(session.id)
        agent.kill(kernel)
        observe.redis.xadd("quarterdeck:events", {"kind": "kernel-changed", "id": kernel})
        assert await reason(session, within=2) == "self-terminated"


async def test_view_shows_slots_in_use(cluster, user, admin, observe):
    """The administrator sees what is taken. Run a session and look."""
    async with manager_fixtures.agent(cluster):
        session = await user.sessions.create(slots={"cpu": 2, "memory_mib": 300})
        await session.reaches("RUNNING", within=5)
        (view,) = [view for view in await admin.agents.list() if view.id == "stub"]
        assert msgspec.to_builtins(view.used) == {"cpu": 2, "memory_mib": 300}


async def test_older_registrations_are_never_written_over_newer_ones(private_cluster):
    """Managers read and write one at a time. Hold one that is reading; another one's reading waits for it."""
    record = AgentRecord(id="late", instance="1", address="http://127.0.0.1:1", slots=Slots())
    reading, go_on, order = asyncio.Event(), asyncio.Event(), []

    async def slow():
        order.append("slow")
        reading.set()
        await go_on.wait()
        return Registered([])

    async def quick():
        order.append("quick")
        return Registered([record])

    await private_cluster.stop("manager")
    address = private_cluster.address("postgres")
    async with (
        Database.open(address, application_name="t") as database,
        asyncio.TaskGroup() as group,
    ):
        store = AgentStore(database)
        group.create_task(store.sync(slow))
        await reading.wait()
        later = group.create_task(store.sync(quick))
        await until(lambda: waiting(database), within=5)
        assert order == ["slow"]
        go_on.set()
        assert await later == ["late"]
    assert order == ["slow", "quick"]


async def waiting(database):
    """How many wait for a lock of their own making."""
    return await database.fetch(
        "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    )
