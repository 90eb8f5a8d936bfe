"""Kernels that were ended by force, in a real database: which of them are tried when."""

import contextlib

from quarterdeck.manager.sessions.books import RemovalBooks
from quarterdeck.testing import manager_fixtures

SOON = "UPDATE kernel_removals SET not_before = not_before - interval '6 s'"
"""The time by which an agent, or a kernel, is left alone, is over."""


@contextlib.asynccontextmanager
async def left(cluster, user, observe):
    """Have three kernels of one agent left for the time of a block, in which no manager does anything about it; gives them in their order."""
    async with manager_fixtures.agent(cluster):
        made = [await user.sessions.create() for _ in range(3)]
        for session in made:
            await session.reaches("RUNNING", within=10)
        kernels = [observe.kernel(session.id) for session in made]
        await cluster.kill("manager")
        for session in made:
            observe.database.execute("SELECT force_end_session(%s, 'sql')", [session.id])
        yield kernels


async def test_kernel_that_was_put_off_is_due_later_and_the_others_now(
    private_cluster, user, observe, database
):
    """One kernel's trouble is its own. Put one of three off; the others are due, and it is when some seconds have passed."""
    removals = RemovalBooks(database)
    async with left(private_cluster, user, observe) as kernels:
        await removals.put_off(kernels[0])
        assert [one.kernel for one in await removals.due()] == kernels[1:]
        observe.database.execute(SOON)
        assert [one.kernel for one in await removals.due()] == kernels


async def test_kernel_that_got_no_answer_is_due_after_those_beside_it(
    private_cluster, user, observe, database
):
    """What hangs in its agent keeps no other there for ever. Postpone the agent for the first of three; the others are due before it."""
    removals = RemovalBooks(database)
    async with left(private_cluster, user, observe) as kernels:
        first, *_ = await removals.due()
        await removals.postpone(first)
        assert await removals.due() == []
        observe.database.execute(SOON)
        assert [one.kernel for one in await removals.due()] == kernels[1:]
        observe.database.execute(SOON)
        assert [one.kernel for one in await removals.due()] == kernels
