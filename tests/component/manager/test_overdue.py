"""What a command came to is not lost to a deadline, with a real manager and database and an agent that only pretends."""

import msgspec

from quarterdeck.manager.sessions import drains_store, model
from quarterdeck.manager.sessions.deadlines import Command, Overdue
from quarterdeck.testing import manager_fixtures
from quarterdeck.wire.agents import KernelExit
from quarterdeck.wire.states import KernelStatus

COMMAND = {"type": "batch", "command": ["sleep", "100"]}
DRAINED = model.End(model.Reason.AGENT_DRAINED)
DRAIN = (
    "UPDATE agents SET schedulable = false, drain_deadline = now() - interval '1 s' WHERE id = %s"
)


async def running(user, **given):
    session = await user.sessions.create(**given)
    await session.reaches("RUNNING", within=10)
    return session


def ends(agent, kernel, code):
    """Let a kernel's command end without a word to anybody."""
    agent.kernels[kernel] = msgspec.structs.replace(
        agent.kernels[kernel], status=KernelStatus.TERMINATED, exit=KernelExit(code=code)
    )


async def test_command_that_ended_unseen_before_its_agent_was_drained_has_its_result(
    private_cluster, user, observe
):
    """Its exit code is known to the agent. While no manager looks, let a command end and the deadline of a drain pass; the session has succeeded, and one beside it was drained."""
    async with manager_fixtures.agent(private_cluster) as agent:
        done, other = await running(user, **COMMAND), await running(user)
        await private_cluster.kill("manager")
        ends(agent, observe.kernel(done.id), 0)
        observe.database.execute(DRAIN, ["stub"])
        await private_cluster.start("manager")
        for session in (done, other):
            await session.reaches("TERMINATED", within=20)
        view = await done.refresh()
        assert (view.reason, view.exit_code, view.result) == ("task-finished", 0, "SUCCESS")
        assert (await other.refresh()).detail == "agent stub was drained"


async def test_command_that_still_runs_at_the_deadline_of_a_drain_ends(cluster, user, admin):
    """A deadline is one. Drain an agent with a command at once; the session ends and says why."""
    async with manager_fixtures.agent(cluster) as agent:
        session = await running(user, **COMMAND)
        await admin.agents.drain(agent.id, deadline_seconds=0)
        await session.reaches("TERMINATED", within=10)
        view = await session.refresh()
        assert (view.reason, view.result) == ("agent-drained", "FAILURE")
        await admin.agents.resume(agent.id)


async def test_what_overstays_is_told_with_the_commands_last_and_ends_unless_it_was_resumed(
    private_cluster, user, observe, database
):
    """What needs no answer waits for none. Drain an agent with a command and a plain session while no manager looks; take the agent back before one of them ends."""
    store = drains_store.DrainStore(database)
    async with manager_fixtures.agent(private_cluster):
        command, plain = await running(user, **COMMAND), await running(user)
        await private_cluster.kill("manager")
        assert await store.overdue() == []
        observe.database.execute(DRAIN, ["stub"])
        address = observe.value("SELECT address FROM agents WHERE id = 'stub'")
        begun = Command(observe.kernel(command.id), "stub", address)
        first, second = await store.overdue()
        assert first == Overdue(plain.id, DRAINED)
        assert second == Overdue(command.id, DRAINED, begun)
        assert await store.expire(first) == [model.Due("stub", plain.id, observe.kernel(plain.id))]
        observe.database.execute("UPDATE agents SET schedulable = true, drain_deadline = NULL")
        assert await store.expire(second) == []
        status = observe.value("SELECT status FROM sessions WHERE id = %s", command.id)
        assert status == "RUNNING"
