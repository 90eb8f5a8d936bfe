"""Managers that die at the wrong moment: another one, or the same started anew, finishes what was begun, once."""

import pytest

from quarterdeck.testing import manager_fixtures
from shakeout.waiting.until import until


async def test_manager_started_anew_finishes_a_create(private_cluster, user, observe):
    """One kernel, whoever asked for it. Kill the manager while the agent makes a kernel, start it again."""
    async with manager_fixtures.agent(private_cluster) as agent:
        with agent.held():
            session = await user.sessions.create()
            await agent.arrived.wait()
            await private_cluster.kill("manager")
        await private_cluster.start("manager")
        await session.reaches("RUNNING", within=20)
        assert list(agent.kernels) == [observe.kernel(session.id)]
        assert observe.slots_in_use(session.id) == (1, 256)


async def test_manager_started_anew_finishes_an_end(private_cluster, user, observe):
    """Nothing stays TERMINATING. Kill the manager right after the request to terminate, start it again."""
    async with manager_fixtures.agent(private_cluster) as agent:
        session = await user.sessions.create()
        await session.reaches("RUNNING", within=5)
        await session.terminate()
        await private_cluster.kill("manager")
        await private_cluster.start("manager")
        await session.reaches("TERMINATED", within=20)
        assert agent.kernels == {}
        assert observe.slots_in_use(session.id) == (0, 0)


@pytest.mark.cluster(manager=2)
async def test_other_manager_takes_over_a_session(private_cluster, user, observe):
    """A claim ends with its time. Kill the manager that makes a kernel; the other one finishes."""
    async with manager_fixtures.agent(private_cluster) as agent:
        with agent.held():
            session = await user.sessions.create()
            await agent.arrived.wait()
            claimant = observe.value("SELECT claimed_by FROM kernels")
            await private_cluster.kill(claimant)
        await until(
            lambda: observe.value("SELECT status FROM sessions WHERE id = %s", session.id),
            satisfied=lambda status: status == "RUNNING",
            within=25,
            describe="session RUNNING by the other manager",
        )
        assert list(agent.kernels) == [observe.kernel(session.id)]


async def test_session_survives_a_manager(private_cluster, user, observe):
    """Sessions do not depend on managers. Kill the manager under a running session, start it again."""
    async with manager_fixtures.agent(private_cluster) as agent:
        session = await user.sessions.create()
        await session.reaches("RUNNING", within=5)
        await private_cluster.kill("manager")
        await private_cluster.start("manager")
        assert (await session.execute("1")).stdout == "1"
        assert [name for name, _ in agent.calls].count("create") == 1


async def test_agent_lost_while_no_manager_was_there_is_noticed(private_cluster, user, observe):
    """What nobody saw is found out. Stop the manager, take the agent away, start the manager."""
    async with manager_fixtures.agent(private_cluster):
        session = await user.sessions.create()
        await session.reaches("RUNNING", within=5)
        await private_cluster.stop("manager")
    await private_cluster.start("manager")
    await session.reaches("TERMINATED", within=10)
    assert (await session.refresh()).reason == "agent-lost"
    assert observe.slots_in_use() == (0, 0)


async def test_lost_redis_costs_nothing_but_time(private_cluster, user, observe):
    """Events only wake. Run a session's life without Redis."""
    async with manager_fixtures.agent(private_cluster):
        await private_cluster.kill("redis")
        session = await user.sessions.create()
        await session.reaches("RUNNING", within=10)
        await session.terminate()
        await session.reaches("TERMINATED", within=10)


async def test_restarted_database_costs_nothing_but_time(private_cluster, user, observe):
    """Connections are made again. Restart PostgreSQL under a waiting manager, then run a session's life."""
    async with manager_fixtures.agent(private_cluster):
        await private_cluster.restart("postgres")
        session = await until(user.sessions.create, within=10, retry_on=(Exception,))
        await session.reaches("RUNNING", within=10)
        await session.terminate()
        await session.reaches("TERMINATED", within=10)
