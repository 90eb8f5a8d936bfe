"""Components that cannot reach each other, or only in one direction, or late: nothing is lost, doubled, or believed too long."""

import asyncio

import pytest

from quarterdeck.client.errors import Refused
from shakeout.links.behaviour import Behaviour
from shakeout.waiting.until import until

RUNNING_SECONDS_MAX = 10
"""Without a fault in the way."""
CONVERGED_SECONDS_MAX = 30
ROUNDS = 50
OUT_OF_REACH = {"agent-unreachable", "outcome-unknown"}
"""A cut connection ends while it is made, or while it is used: then nobody knows what arrived."""

pytestmark = pytest.mark.links


def agent_of(observe, session):
    """The agent on which a session's newest kernel is."""
    return observe.value(
        "SELECT agent_id FROM kernels WHERE session_id = %s ORDER BY created_at DESC LIMIT 1",
        session.id,
    )


async def asked_again(request, *, after="unavailable"):
    """The answer to a request, or to its repetition if the first was refused with that code."""
    try:
        return await request()
    except Refused as refused:
        if refused.code != after:
            raise
    return await request()


@pytest.mark.cluster(agent=2)
async def test_agent_that_the_manager_cannot_reach_keeps_its_session(
    private_cluster, user, observe
):
    """A partition is no death. Cut the manager from one of two agents; the other serves, and after the restoration both do."""
    sessions = [await user.sessions.create(slots={"cpu": 5}) for _ in range(2)]
    for session in sessions:
        await session.reaches("RUNNING", within=RUNNING_SECONDS_MAX)
        await session.execute("kept = 6 * 7")
    far, near = sessions
    link = private_cluster.links.link("manager", agent_of(observe, far))
    assert agent_of(observe, near) != agent_of(observe, far)
    await link.set(Behaviour.severed())
    with pytest.raises(Refused) as refused:
        await far.execute("kept")
    assert refused.value.code in OUT_OF_REACH
    assert (await near.execute("kept")).result == "42"
    await link.restore()
    assert (await far.execute("kept")).result == "42"
    assert len(observe.live_kernels()) == 2
    assert observe.slots_in_use() == (10, 512)


async def test_agent_cut_from_etcd_is_lost_and_comes_back(private_cluster, user, observe):
    """Without its lease an agent is lost with its sessions. Cut it from etcd; afterwards it serves again, and nothing of before is left."""
    session = await user.sessions.create()
    await session.reaches("RUNNING", within=RUNNING_SECONDS_MAX)
    link = private_cluster.links.link("agent", "etcd")
    await link.set(Behaviour.severed())
    await session.reaches("TERMINATED", within=CONVERGED_SECONDS_MAX)
    assert (await session.refresh()).reason == "agent-lost"
    assert observe.slots_in_use() == (0, 0)
    await link.restore()
    await until(
        observe.live_kernels, within=CONVERGED_SECONDS_MAX, satisfied=lambda live: live == []
    )
    again = await user.sessions.create()
    await again.reaches("RUNNING", within=CONVERGED_SECONDS_MAX)
    assert len(observe.live_kernels()) == 1


async def test_answer_that_is_lost_makes_no_second_kernel(private_cluster, user, observe):
    """Creating is asked again, not done again. Lose what agents answer while a kernel is made; one kernel serves afterwards."""
    link = private_cluster.links.link("manager", "agent")
    await link.set(Behaviour.deaf_source())
    session = await user.sessions.create()
    await until(observe.live_kernels, within=10)
    await link.restore()
    await session.reaches("RUNNING", within=CONVERGED_SECONDS_MAX)
    assert (await session.execute("6 * 7")).result == "42"
    assert observe.live_kernels() == observe.live_kernels(session.id)
    assert len(observe.live_kernels()) == 1
    assert observe.slots_in_use() == (1, 256)


async def test_request_that_is_lost_is_asked_again(private_cluster, user, observe):
    """Nothing waits for ever. Hold what the manager sends to the agent; the session runs soon after the restoration."""
    link = private_cluster.links.link("manager", "agent")
    await link.set(Behaviour.deaf_target())
    session = await user.sessions.create()
    await session.reaches("CREATING", within=10)
    assert observe.live_kernels() == []
    await link.restore()
    await session.reaches("RUNNING", within=CONVERGED_SECONDS_MAX)
    assert len(observe.live_kernels()) == 1


async def test_database_connections_are_reset_in_the_middle(private_cluster, user, observe):
    """A lost connection is no lost truth. Reset all of the manager's while a session is used and ended.

    At most one request notices. It is told that the service cannot do this now; one that writes, that nobody knows whether it did.
    """
    link = private_cluster.links.link("manager", "postgres")
    session = await user.sessions.create()
    await session.reaches("RUNNING", within=RUNNING_SECONDS_MAX)
    for _ in range(5):
        await link.reset()
        assert (await asked_again(lambda: session.execute("6 * 7"))).result == "42"
    await link.reset()
    await asked_again(session.terminate, after="outcome-unknown")
    await session.reaches("TERMINATED", within=CONVERGED_SECONDS_MAX)
    assert observe.slots_in_use() == (0, 0)
    assert observe.live_kernels() == []


async def test_slow_etcd_slows_nothing_that_matters(private_cluster, user):
    """Etcd is for configuration and discovery. Delay it by 100 ms for everybody; sessions run, agents stay."""
    for source in ("manager", "agent", "storage-proxy"):
        await private_cluster.links.link(source, "etcd").set(Behaviour.delayed(0.1, 0.05))
    session = await user.sessions.create()
    await session.reaches("RUNNING", within=RUNNING_SECONDS_MAX)
    assert (await session.execute("6 * 7")).result == "42"


async def test_redis_only_wakes(private_cluster, user, observe):
    """Without events everything happens, later. Swallow all that goes to Redis; a session runs and ends."""
    for source in ("manager", "agent"):
        await private_cluster.links.link(source, "redis").set(Behaviour.black_hole())
    session = await user.sessions.create()
    await session.reaches("RUNNING", within=CONVERGED_SECONDS_MAX)
    await session.terminate()
    await session.reaches("TERMINATED", within=CONVERGED_SECONDS_MAX)
    assert observe.live_kernels() == []


async def test_cut_in_a_private_cluster_does_not_touch_the_shared_one(
    tenant, private_cluster, user
):
    """Clusters have nothing in common. Cut one's manager from its agent fifty times while the other's session is used all along."""
    shared, private = await tenant.sessions.create(), await user.sessions.create()
    for session in (shared, private):
        await session.reaches("RUNNING", within=RUNNING_SECONDS_MAX)
    link = private_cluster.links.link("manager", "agent")
    done = asyncio.Event()
    numbers = [0]

    async def use():
        while not done.is_set():
            assert (await shared.execute(f"{numbers[-1]} + 1")).result == str(numbers[-1] + 1)
            numbers.append(numbers[-1] + 1)

    async def use_once_more():
        count = len(numbers)
        await until(lambda: len(numbers) > count, within=5)

    async with asyncio.TaskGroup() as group:
        group.create_task(use())
        for number in range(ROUNDS):
            await link.set(Behaviour.severed())
            with pytest.raises(Refused) as refused:
                await private.execute(f"{number}")
            assert refused.value.code in OUT_OF_REACH
            await use_once_more()
            await link.restore()
            assert (await private.execute(f"{number}")).result == str(number)
        done.set()
    assert (await link.counters()).resets >= ROUNDS


async def test_storage_that_the_manager_cannot_reach_makes_no_half_folder(
    private_cluster, user, observe
):
    """A folder is there or it is not. Cut the manager from the storage-proxy, create; restore, and create again."""
    link = private_cluster.links.link("manager", "storage-proxy")
    await link.set(Behaviour.severed())
    with pytest.raises(Refused) as refused:
        await user.folders.create("notes")
    assert refused.value.code in {"storage-unreachable", "outcome-unknown"}
    assert observe.trees() == {}
    await link.restore()
    folder = await user.folders.create("notes")
    assert list(observe.trees()) == [folder.id]


@pytest.mark.needs("s3")
async def test_upload_whose_store_goes_away_is_an_error_and_no_file(
    private_cluster, user, observe, tmp_path, rng
):
    """No file is half there. Reset the storage-proxy's connections to S3 after 3 MiB of 12; restore, and upload again."""
    noise = tmp_path / "noise.bin"
    noise.write_bytes(rng.randbytes(12 * 1024 * 1024))
    folder = await user.folders.create("archive", host="archive")
    link = private_cluster.links.link("storage-proxy", "s3")
    await link.set(Behaviour.dropping_after(3 * 1024 * 1024))
    with pytest.raises(Refused) as refused:
        await folder.upload(noise, "noise.bin")
    assert refused.value.code == "unavailable"
    assert not [key for key in observe.objects() if "noise" in key]
    await link.restore()
    await folder.upload(noise, "noise.bin")
    assert noise.read_bytes() in observe.objects().values()
