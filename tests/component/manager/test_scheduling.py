"""Placement with real managers and one database: never more than there is, however many decide at once."""

import asyncio

import pytest

from quarterdeck.base.clock import SystemClock
from quarterdeck.client.client import Client
from quarterdeck.infra import queries
from quarterdeck.manager.scheduling import model
from quarterdeck.manager.scheduling.service import Scheduler
from quarterdeck.manager.scheduling.store import PlacementStore
from quarterdeck.manager.signals import Queue
from quarterdeck.testing import manager_fixtures, racing
from quarterdeck.testing.fakes.manager import Recorder
from quarterdeck.wire.sessions import IsolationLevel
from shakeout.waiting.until import until


async def all_running(user, count):
    await until(
        lambda: user.sessions.list(status="RUNNING"),
        satisfied=lambda views: len(views) == count,
        within=10,
        describe=f"{count} sessions RUNNING",
    )


async def test_twenty_sessions_for_five_slots_get_five(cluster, user, observe):
    """No slot is given twice and none stays empty. Race 20 creates, then end those that run until all have run."""
    async with manager_fixtures.agent(cluster, cpu=5) as agent:
        await racing.at_once(lambda _: user.sessions.create(), times=20)
        for _ in range(4):
            await all_running(user, 5)
            assert observe.slots_in_use() == (5, 5 * 256)
            for view in await user.sessions.list(status="RUNNING"):
                await (await user.sessions.get(view.id)).terminate()
        await until(user.sessions.list, satisfied=lambda views: not views, within=10)
        assert agent.most_cpu_at_once <= 5
        assert len([name for name, _ in agent.calls if name == "create"]) == 20


@pytest.mark.cluster(manager=2)
async def test_two_managers_place_each_session_once(cluster, user, observe):
    """Schedulers that run at once give nothing away twice. Create through both managers for too few slots."""
    keys = user.keypair
    url = cluster.address("manager-2.http")
    async with (
        Client(url, keys.access_key, keys.secret_key) as second,
        manager_fixtures.agent(cluster, cpu=8) as agent,
    ):
        makers = (user.sessions, second.sessions)
        made = await racing.at_once(lambda at: makers[at % 2].create(), times=24)
        assert racing.split(made)[1] == []
        await all_running(user, 8)
        assert observe.slots_in_use() == (8, 8 * 256)
        assert agent.most_cpu_at_once <= 8
        assert len({kernel for _, kernel in agent.calls}) == 8


async def test_rival_schedulers_write_only_what_still_holds(cluster, user, observe, database):
    """The database is the last to decide. Let two schedulers decide on the same facts, and both write."""
    async with manager_fixtures.agent(cluster, cpu=1):
        first = await user.sessions.create()
        await first.reaches("RUNNING", within=5)
        waiting = [await user.sessions.create() for _ in range(2)]
        store = PlacementStore(database, SystemClock())
        slots = first.view.slots
        decided = [model.Placement(session.id, ("stub",), slots) for session in waiting]
        written = await racing.at_once(lambda at: store.write(decided[at:]), times=2)
        assert written == [[], []]
        assert observe.slots_in_use() == (1, 256)


async def test_cluster_that_no_longer_fits_whole_takes_nothing(cluster, user, observe, database):
    """All kernels or none, whatever was decided on old facts. Write a placement of which one kernel has no room left, then one of too few."""
    async with manager_fixtures.agent(cluster, cpu=3):
        first = await user.sessions.create()
        await first.reaches("RUNNING", within=5)
        waiting = await user.sessions.create(cluster_size=3)
        store, slots = PlacementStore(database, SystemClock()), waiting.view.slots
        for agents in (("stub", "stub", "stub"), ("stub", "stub"), ("stub", "stub", "gone")):
            assert await store.write([model.Placement(waiting.id, agents, slots)]) == []
        assert observe.slots_in_use() == (1, 256)
        await first.terminate()
        await waiting.reaches("RUNNING", within=5)
        assert observe.slots_in_use(waiting.id) == (3, 3 * 256)


async def test_session_placed_elsewhere_meanwhile_is_left_out(cluster, user, observe, database):
    """Behaviour 10: a decision about what is no more does nothing. Cancel a session between decision and writing; there is room for it."""
    session = await user.sessions.create()
    await session.terminate()
    store = PlacementStore(database, SystemClock())
    async with manager_fixtures.agent(cluster, "other") as agent:
        running = await user.sessions.create()
        await running.reaches("RUNNING", within=5)
        decided = [model.Placement(session.id, ("other",), session.view.slots)]
        assert await store.write(decided) == []
        assert len(agent.kernels) == 1
    assert observe.history(session.id) == [(None, "PENDING"), ("PENDING", "CANCELLED")]


async def test_pass_without_work_writes_nothing(cluster, user, observe, database):
    """An idle scheduler is silent. Run passes side by side with nobody waiting."""
    recorder = Recorder()
    scheduler = Scheduler(PlacementStore(database, SystemClock()), recorder, Queue())
    async with asyncio.TaskGroup() as group:
        for _ in range(4):
            group.create_task(scheduler.run())
    assert recorder.told == []


async def test_session_that_depends_on_nothing_costs_no_question(cluster, user, database):
    """A pass over many that wait is cheap. Read the facts beside sessions of which one depends on another; the function is called once."""
    calls = "SELECT pg_stat_get_xact_function_calls('dependencies_met(uuid[])'::regprocedure) AS n"
    first = await user.sessions.create()
    for depends_on in ([], [], [first]):
        await user.sessions.create(depends_on=depends_on)
    async with database.transaction() as tx:
        await tx.execute("SET LOCAL track_functions = 'all'")
        facts = queries.load("quarterdeck.manager.scheduling")["facts"]
        await tx.execute(facts.encode(), {"limit": 100})
        (row,) = await (await tx.execute(calls)).fetchall()
    assert row["n"] == 1


async def test_big_session_waits_and_small_ones_pass(cluster, user, observe):
    """What does not fit holds up nobody. Create a big one, then a small one."""
    async with manager_fixtures.agent(cluster, cpu=2):
        big = await user.sessions.create(slots={"cpu": 3})
        small = await user.sessions.create()
        await small.reaches("RUNNING", within=5)
        assert (await big.refresh()).status == "PENDING"


async def test_session_that_waits_is_placed_when_an_agent_comes(cluster, user, observe):
    """Room that appears is used at once. Create first, bring the agent afterwards."""
    session = await user.sessions.create()
    async with manager_fixtures.agent(cluster):
        await session.reaches("RUNNING", within=5)


async def test_agent_that_takes_no_kernels_gets_none(cluster, user, observe):
    """Unschedulable means new ones only. Close an agent with a session on it."""
    async with manager_fixtures.agent(cluster) as agent:
        old = await user.sessions.create()
        await old.reaches("RUNNING", within=5)
        observe.database.execute("UPDATE agents SET schedulable = false WHERE id = 'stub'")
        try:
            new = await user.sessions.create()
            await old.terminate()
            await old.reaches("TERMINATED", within=5)
            assert (await new.refresh()).status == "PENDING"
            assert agent.kernels == {}
        finally:
            observe.database.execute("UPDATE agents SET schedulable = true WHERE id = 'stub'")


async def test_session_waits_for_an_agent_that_keeps_it_apart(cluster, user):
    """An agent that would refuse a session is not given it. Offer one with less isolation; it waits, says why, and goes to one that comes."""
    right = manager_fixtures.agent(cluster, "right", isolation=IsolationLevel.NAMESPACED)
    async with manager_fixtures.agent(cluster, "plain", cpu=9):
        session = await user.sessions.create(isolation="namespaced")
        view = await until(session.refresh, satisfied=lambda view: view.reason, within=5)
        assert view.reason == "no-isolation"
        assert view.detail.endswith("it wants namespaced, agents have process")
        async with right:
            await session.reaches("RUNNING", within=5)
            assert (await session.refresh()).agent == "right"


async def test_session_that_begins_at_once_is_kept_apart_as_it_wants(cluster, user, observe):
    """The short way asks the same. Have an agent with more room and less isolation there beside the right one."""
    right = manager_fixtures.agent(cluster, "right", isolation=IsolationLevel.NAMESPACED)
    async with manager_fixtures.agent(cluster, "plain", cpu=9), right:
        await until(
            lambda: observe.value("SELECT count(*) FROM agents WHERE status = 'ALIVE'"),
            satisfied=lambda alive: alive == 2,
            within=5,
        )
        session = await user.sessions.create(isolation="namespaced", wait=5)
        assert (session.view.status, session.view.agent) == ("RUNNING", "right")


async def test_placement_on_an_agent_that_would_refuse_is_not_written(
    cluster, user, observe, database
):
    """The guard. Let a scheduler without sense write a placement on an agent with too little isolation; the database does not take it."""
    async with manager_fixtures.agent(cluster):
        session = await user.sessions.create(isolation="namespaced")
        store = PlacementStore(database, SystemClock())
        decided = [model.Placement(session.id, ("stub",), session.view.slots)]
        assert await store.write(decided) == []
        assert observe.slots_in_use() == (0, 0)
