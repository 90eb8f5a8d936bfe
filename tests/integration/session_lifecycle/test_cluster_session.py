"""Sessions of several kernels: placed, begun and ended as one, whichever of them fails."""

import contextlib
import os
import signal

import pytest

from quarterdeck.client.errors import Refused, SessionEnded
from quarterdeck.testing.racing import at_once
from shakeout.waiting.until import until

TELL = (
    "import os\n"
    "','.join(os.environ['QD_CLUSTER_' + each] for each in ('HOST', 'ROLE', 'INDEX', 'SIZE'))"
)


def kernels(observe, session):
    """The kernels of a session as the database has them, by hostname."""
    rows = observe.rows(
        "SELECT id::text, hostname, agent_id, status FROM kernels WHERE session_id = %s",
        session.id,
    )
    return {row["hostname"]: row for row in rows}


def steps(observe, session):
    """What history holds of each kernel of a session, by hostname."""
    rows = observe.rows(
        "SELECT k.hostname, h.to_status FROM session_history h JOIN kernels k ON k.id = h.kernel_id"
        " WHERE h.session_id = %s ORDER BY h.seq",
        session.id,
    )
    names = {row["hostname"] for row in rows}
    return {name: [row["to_status"] for row in rows if row["hostname"] == name] for name in names}


def causes(observe, session):
    """Why each kernel of a session ended, by hostname."""
    rows = observe.rows(
        "SELECT k.hostname, h.cause FROM session_history h JOIN kernels k ON k.id = h.kernel_id"
        " WHERE h.session_id = %s AND h.to_status = 'TERMINATING'",
        session.id,
    )
    return {row["hostname"]: row["cause"] for row in rows}


async def reason_of(session):
    """Wait for the end and return the reason."""
    with contextlib.suppress(SessionEnded):
        await session.reaches("TERMINATED", within=20)
    return (await session.refresh()).reason


async def test_cluster_is_so_many_processes_that_know_their_places(user, observe):
    """A cluster is as many kernels as asked for, each with the slots. Make three; ask each who it is; look in SQL and /proc."""
    session = await user.sessions.create(slots={"cpu": 1, "memory_mib": 128}, cluster_size=3)
    await session.reaches("RUNNING", within=10)
    view = await session.refresh()
    assert [each.hostname for each in view.kernels] == ["main1", "sub1", "sub2"]
    assert {str(each.status) for each in view.kernels} == {"RUNNING"}
    assert observe.live_kernels(session.id) == sorted(each.id for each in view.kernels)
    assert observe.slots_in_use(session.id) == (3, 384)
    taken = ["SCHEDULED", "CREATING", "RUNNING"]
    assert steps(observe, session) == {"main1": taken, "sub1": taken, "sub2": taken}
    told = [(await session.execute(TELL, kernel=each.hostname)).result for each in view.kernels]
    assert told == ["'main1,main,1,3'", "'sub1,sub,1,3'", "'sub2,sub,2,3'"]
    hosts = await session.execute("import os; os.environ['QD_CLUSTER_HOSTS']")
    assert hosts.result == "'main1,sub1,sub2'"
    await session.execute("print('here')", kernel="sub2")
    assert "here" in await session.logs(kernel="sub2")
    assert "here" not in await session.logs()
    await session.terminate()
    assert await reason_of(session) == "user-requested"
    assert observe.live_kernels(session.id) == []
    assert observe.slots_in_use(session.id) == (0, 0)


async def test_kernel_that_a_cluster_does_not_have_is_named(session):
    """What cannot be is refused by field. Ask for sub1 of a session of one kernel, and for a name that none can have."""
    for kernel, code in (("sub1", "kernel-not-found"), ("main2", "kernel-not-found")):
        with pytest.raises(Refused) as refused:
            await session.execute("1", kernel=kernel)
        assert (refused.value.code, refused.value.field) == (code, "kernel")
    with pytest.raises(Refused) as refused:
        await session.execute("1", kernel="../main1")
    assert (refused.value.status, refused.value.field) == (400, "kernel")


@pytest.mark.parametrize("size", [0, 17, -1])
async def test_impossible_size_is_refused_before_anything_is_written(user, observe, size):
    """A cluster has 1 to 16 kernels. Ask for others; the field is named and no row is written."""
    with pytest.raises(Refused) as refused:
        await user.sessions.create(cluster_size=size)
    assert (refused.value.status, refused.value.field) == (400, "cluster_size")
    assert observe.value("SELECT count(*) FROM sessions WHERE owner_id = %s", user.id) == 0


@pytest.mark.cluster(agent=2)
async def test_cluster_is_spread_over_agents_or_waits_whole(private_cluster, user, observe):
    """All kernels or none. Fill two agents with a cluster of 12; another of 5 fits on neither and takes nothing until there is room."""
    wide = await user.sessions.create(slots={"cpu": 1, "memory_mib": 64}, cluster_size=12)
    await wide.reaches("RUNNING", within=20)
    assert {each["agent_id"] for each in kernels(observe, wide).values()} == {"agent-1", "agent-2"}
    second = await user.sessions.create(slots={"cpu": 1, "memory_mib": 64}, cluster_size=5)
    small = await user.sessions.create(slots={"cpu": 1, "memory_mib": 64}, cluster_size=4)
    await small.reaches("RUNNING", within=10)
    assert (await second.refresh()).status == "PENDING"
    assert (kernels(observe, second), observe.slots_in_use(second.id)) == ({}, (0, 0))
    assert observe.slots_in_use() == (16, 1024)
    await wide.terminate()
    await second.reaches("RUNNING", within=10)
    assert len(observe.live_kernels(second.id)) == 5


@pytest.mark.parametrize("hostname", ["main1", "sub2"])
async def test_kernel_that_dies_takes_its_cluster_along(user, observe, hostname):
    """Behaviour 15, later: a cluster without one of its kernels is none. SIGKILL one; all are gone, and the reason names it."""
    session = await user.sessions.create(slots={"cpu": 1, "memory_mib": 64}, cluster_size=3)
    await session.reaches("RUNNING", within=10)
    (first, *_) = observe.kernel_pids(kernels(observe, session)[hostname]["id"])
    os.kill(first, signal.SIGKILL)
    assert await reason_of(session) == "self-terminated"
    assert session.view.detail.startswith(f"{hostname}: ")
    assert causes(observe, session) == {
        name: "self-terminated" if name == hostname else "sibling-ended"
        for name in ("main1", "sub1", "sub2")
    }
    assert observe.live_kernels(session.id) == []
    assert observe.slots_in_use(session.id) == (0, 0)
    ends = {tuple(each[-2:]) for each in steps(observe, session).values()}
    assert ends == {("TERMINATING", "TERMINATED")}


@pytest.mark.cluster(agent=2)
async def test_cluster_ends_with_an_agent_and_leaves_nothing_on_the_other(
    private_cluster, user, observe
):
    """A lost agent ends what it had a part of. Kill one of two agents; the kernels on the other are destroyed there."""
    session = await user.sessions.create(slots={"cpu": 1, "memory_mib": 64}, cluster_size=4)
    await session.reaches("RUNNING", within=20)
    lost = [
        name for name, each in kernels(observe, session).items() if each["agent_id"] == "agent-2"
    ]
    await private_cluster.kill("agent-2")
    assert await reason_of(session) == "agent-lost"
    assert session.view.detail == f"{min(lost)}: its agent agent-2 is gone"
    assert observe.slots_in_use() == (0, 0)
    await until(observe.live_kernels, within=10, satisfied=lambda live: live == [])


async def test_cluster_terminated_at_any_moment_of_its_start_leaves_nothing(user, observe):
    """A cluster that is ended while its kernels are made ends whole. Terminate eight, each a little later after its creation."""

    async def short_life(number):
        session = await user.sessions.create(slots={"cpu": 1, "memory_mib": 64}, cluster_size=3)
        for _ in range(number):
            await session.refresh()
        await session.terminate()
        return await reason_of(session)

    assert await at_once(short_life, times=8) == ["user-requested"] * 8
    assert observe.slots_in_use() == (0, 0)
    assert observe.live_kernels() == []
