"""An agent that dies for good: its sessions end with a reason, their slots are free, and its kernels end though nobody ends them."""

import pytest

from quarterdeck.testing.invariants import Invariants
from shakeout.waiting.until import until

SECONDS_MAX = 30


@pytest.mark.cluster(agent=2)
async def test_sessions_of_a_dead_agent_end_and_others_go_on(private_cluster, user, observe):
    """Behaviour 55: an agent that is killed is LOST within its lease, its kernels are terminal with a reason, their slots are free.

    Two agents, three sessions; kill one agent; look at the books, at what the other agent runs, and that a new session finds a place.
    """
    made = [await user.sessions.create(slots={"cpu": 4}) for _ in range(3)]
    for session in made:
        await session.reaches("RUNNING", within=10)
    placed = {session.id: (await session.refresh()).agent for session in made}
    victim = placed[made[0].id]
    await private_cluster.kill(victim)
    lost = [session for session in made if placed[session.id] == victim]
    kept = [session for session in made if placed[session.id] != victim]
    for session in lost:
        await session.reaches("TERMINATED", within=SECONDS_MAX)
        assert (await session.refresh()).reason == "agent-lost"
        assert observe.slots_in_use(session.id) == (0, 0)
        assert observe.history(session.id)[-2:] == [
            ("RUNNING", "TERMINATING"),
            ("TERMINATING", "TERMINATED"),
        ]
    assert observe.value("SELECT status FROM agents WHERE id = %s", victim) == "LOST"
    assert observe.slots_in_use() == (4 * len(kept), 256 * len(kept))
    for session in kept:
        assert (await session.execute("6 * 7")).result == "42"


async def test_kernels_end_though_their_agent_never_returns(private_cluster, user, observe):
    """Behaviour 55: nothing of a lost agent's kernels runs for ever. Kill the agent; its kernels go on, and end when their time is up."""
    session = await user.sessions.create()
    await session.reaches("RUNNING", within=10)
    await session.execute(
        "import subprocess; p = subprocess.Popen(['sleep', '1000'], start_new_session=True)"
    )
    assert len(observe.kernel_pids(observe.kernel(session.id))) >= 2
    await private_cluster.kill("agent")
    await session.reaches("TERMINATED", within=SECONDS_MAX)
    await until(observe.live_kernels, satisfied=lambda found: not found, within=SECONDS_MAX)


async def test_a_lost_agent_that_returns_gives_up_what_is_over(private_cluster, user, observe):
    """Behaviours 55, 56: sessions that ended with their agent do not come back. Kill it until it is LOST, start it; its kernels are orphans."""
    session = await user.sessions.create(slots={"cpu": 8})
    await session.reaches("RUNNING", within=10)
    await private_cluster.kill("agent")
    await session.reaches("TERMINATED", within=SECONDS_MAX)
    assert observe.live_kernels() != []
    await private_cluster.start("agent")
    await until(
        lambda: (observe.live_kernels(), list(observe.scratch())),
        satisfied=([], []).__eq__,
        within=SECONDS_MAX,
    )
    again = await user.sessions.create(slots={"cpu": 8})
    await again.reaches("RUNNING", within=SECONDS_MAX)
    assert (await again.execute("6 * 7")).result == "42"
    judge = Invariants(private_cluster)
    await until(judge.snapshot, satisfied=lambda broken: not broken, within=SECONDS_MAX)
