"""Sessions whose image has to be pulled first, with an agent that only pretends: progress, failures, and whoever dies in the middle."""

import asyncio
import uuid

import pytest

from quarterdeck.client.errors import SessionEnded
from quarterdeck.manager.sessions.books import (
    DETAIL_CHARACTERS_MAX,
    PULLS_AGAIN_MAX,
    LifecycleBooks,
)
from quarterdeck.manager.sessions.ledger import ReconcilerLedger
from quarterdeck.testing import manager_fixtures
from quarterdeck.testing.registries import password_file
from quarterdeck.wire.agents import AgentImage, PullStatus
from shakeout.waiting.until import until

DIGEST = f"sha256:{'c' * 64}"
WAITS = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'test' AND wait_event_type = 'Lock'"


@pytest.fixture
def secret(platform):
    with password_file(platform, "hush") as name:
        yield name


@pytest.fixture
def image(observe, secret):
    """An image of a registry, as a rescan offers it; afterwards it is gone."""
    registry, name = str(uuid.uuid4()), f"n{uuid.uuid4().hex}"
    observe.rows(
        "INSERT INTO registries (id, name, url, username, secret)"
        " VALUES (%s, %s, 'http://127.0.0.1:9', 'ada', %s) RETURNING 1",
        registry,
        name,
        secret,
    )
    image = f"{name}/team/tool:1"
    observe.rows(
        "INSERT INTO images (name, registry_id, repository, tag, digest, architectures)"
        " VALUES (%s, %s, 'team/tool', '1', %s, '{amd64,arm64}') RETURNING 1",
        image,
        registry,
        DIGEST,
    )
    yield image
    for table, column, value in (
        ("sessions", "image", image),
        ("images", "name", image),
        ("registries", "id", registry),
    ):
        observe.rows(f"DELETE FROM {table} WHERE {column} = %s RETURNING 1", value)


def goes(agent, status, **more):
    agent.images[DIGEST] = AgentImage(digest=DIGEST, status=status, **more)


async def test_image_is_pulled_before_the_kernel_and_progress_is_shown(
    cluster, user, image, observe
):
    """SCHEDULED -> PULLING -> CREATING -> RUNNING. Let a pull go on; the view follows it, the history has one row for it and its sum."""
    async with manager_fixtures.agent(cluster) as agent:
        session = await user.sessions.create(image=image)
        await session.reaches("PULLING", within=10)
        goes(agent, PullStatus.PULLING, bytes_done=5, bytes_total=20, layer=1, layers=2)
        view = await until(
            session.refresh, within=10, satisfied=lambda now: now.pull and now.pull.bytes_done
        )
        assert (view.pull.bytes_done, view.pull.bytes_total) == (5, 20)
        assert (view.pull.layer, view.pull.layers) == (1, 2)
        assert (view.reason, view.detail) == (
            "pulling",
            "its image is being pulled on agent stub: layer 1 of 2, 25 %",
        )
        assert agent.requests == {}
        goes(agent, PullStatus.READY, bytes_done=20, bytes_total=20, layer=2, layers=2)
        await session.reaches("RUNNING", within=10)
        (request,) = agent.requests.values()
        assert (request.digest, request.image) == (DIGEST, image)
        assert (await session.refresh()).pull is None
        assert observe.history(session.id) == [
            (None, "PENDING"),
            ("PENDING", "SCHEDULED"),
            ("SCHEDULED", "PULLING"),
            ("PULLING", "CREATING"),
            ("CREATING", "RUNNING"),
        ]
        causes = [row.cause for row in await session.history() if row.to_status == "CREATING"]
        assert causes == ["image-pulled: 2 layers, 20 bytes"] * 2
        assert {(one.username, one.password) for one in agent.pulls} == {("ada", "hush")}
        await session.terminate()
        await session.reaches("TERMINATED", within=10)
    assert "hush" not in cluster.log("manager").read_text()


async def test_image_that_is_there_is_not_waited_for(cluster, user, image, observe):
    async with manager_fixtures.agent(cluster) as agent:
        goes(agent, PullStatus.READY)
        session = await user.sessions.create(image=image)
        await session.reaches("RUNNING", within=10)
        assert ("SCHEDULED", "CREATING") in observe.history(session.id)
        await session.terminate()
        await session.reaches("TERMINATED", within=10)


async def test_failed_pull_frees_the_slots_and_says_why(cluster, user, image, observe):
    """Behaviour 63, complaint #5621: slots kept after a failed pull. Let a pull fail; the session ends with the reason, nothing is in use."""
    async with manager_fixtures.agent(cluster) as agent:
        session = await user.sessions.create(image=image)
        await session.reaches("PULLING", within=10)
        assert observe.slots_in_use(session.id) == (1, 256)
        goes(agent, PullStatus.FAILED, reason="the registry lacks a layer")
        with pytest.raises(SessionEnded, match="pull-failed"):
            await session.reaches("RUNNING", within=10)
        view = await session.refresh()
        assert (view.status, view.reason) == ("TERMINATED", "pull-failed")
        assert view.detail == f"{image}: the registry lacks a layer"
        assert observe.slots_in_use(session.id) == (0, 0)
        assert agent.requests == {}
        again = await user.sessions.create(image=image)
        await again.reaches("PULLING", within=10)
        goes(agent, PullStatus.READY)
        await again.reaches("RUNNING", within=10)
        await again.terminate()
        await again.reaches("TERMINATED", within=10)


async def test_whatever_an_agent_says_of_a_failure_ends_the_session(cluster, user, image, observe):
    """Words of strangers, such as an image's media type, keep no session alive. Let a pull fail with what no database takes, and much of it."""
    async with manager_fixtures.agent(cluster) as agent:
        session = await user.sessions.create(image=image)
        await session.reaches("PULLING", within=10)
        goes(agent, PullStatus.FAILED, reason="a layer is \0" + "x" * 100_000)
        with pytest.raises(SessionEnded, match="pull-failed"):
            await session.reaches("RUNNING", within=10)
        detail = (await session.refresh()).detail
    assert detail.startswith(f"{image}: a layer is \N{REPLACEMENT CHARACTER}x")
    assert len(detail) == DETAIL_CHARACTERS_MAX
    assert observe.slots_in_use(session.id) == (0, 0)


@pytest.mark.parametrize("given", [{}, {"type": "batch", "command": ["true"]}])
async def test_session_can_be_ended_while_its_image_is_pulled(
    cluster, user, image, observe, given
):
    async with manager_fixtures.agent(cluster):
        session = await user.sessions.create(image=image, **given)
        await session.reaches("PULLING", within=10)
        await session.terminate()
        await session.reaches("TERMINATED", within=10)
        assert observe.slots_in_use(session.id) == (0, 0)


async def test_image_that_is_evicted_before_its_kernel_is_made_is_pulled_again(
    cluster, user, image, observe
):
    """A full agent lets go of what nobody uses yet. Have the stub do so at the creation; the kernel waits for its image again, and the session runs."""
    async with manager_fixtures.agent(cluster) as agent:
        goes(agent, PullStatus.READY)
        agent.evicts = 1
        session = await user.sessions.create(image=image)
        await until(lambda: len(agent.pulls) == 2, within=10)
        assert (await session.refresh()).status == "CREATING"
        goes(agent, PullStatus.READY)
        await session.reaches("RUNNING", within=10)
        steps = [row.to_status for row in await session.history() if row.kernel is not None]
        assert steps == ["SCHEDULED", "CREATING", "PULLING", "CREATING", "RUNNING"]
        assert observe.slots_in_use(session.id) == (1, 256)
        await session.terminate()
        await session.reaches("TERMINATED", within=10)


async def test_image_that_never_stays_is_not_pulled_for_ever(cluster, user, image, observe):
    """Two images that drive each other out end as failures. Have the stub evict at each creation; the session ends, says why, and frees its slots."""
    async with manager_fixtures.agent(cluster) as agent:
        goes(agent, PullStatus.READY)
        agent.pulls_begin_as, agent.evicts = PullStatus.READY, 100
        session = await user.sessions.create(image=image)
        with pytest.raises(SessionEnded, match="pull-failed"):
            await session.reaches("RUNNING", within=20)
        assert "too little room for images" in (await session.refresh()).detail
        assert [name for name, _ in agent.calls].count("create") == 1 + PULLS_AGAIN_MAX
        await session.reaches("TERMINATED", within=10)
    assert observe.slots_in_use(session.id) == (0, 0)


async def test_no_event_is_needed(cluster, user, image):
    """Complaint #12454: PREPARING for ever after a lost pull event. The stub sends none at all; the session runs all the same."""
    async with manager_fixtures.agent(cluster) as agent:
        session = await user.sessions.create(image=image)
        await session.reaches("PULLING", within=10)
        goes(agent, PullStatus.READY)
        await session.reaches("RUNNING", within=10)
        await session.terminate()
        await session.reaches("TERMINATED", within=10)


async def test_manager_killed_in_the_middle_of_a_pull_goes_on(
    private_cluster, user, image, observe
):
    """A restart in the middle of a pull converges. Kill the manager while one is under way, and start it after it has ended."""
    async with manager_fixtures.agent(private_cluster) as agent:
        session = await user.sessions.create(image=image)
        await session.reaches("PULLING", within=10)
        await private_cluster.kill("manager")
        goes(agent, PullStatus.READY, layers=1, bytes_total=7)
        await private_cluster.start("manager")
        await session.reaches("RUNNING", within=20)
        assert [name for name, _ in agent.calls].count("create") == 1
        assert observe.slots_in_use(session.id) == (1, 256)


async def test_agent_that_goes_in_the_middle_gives_its_session_back(
    private_cluster, user, image, observe
):
    """Nothing was created yet: the session waits again, and another agent gets it. Let the agent with the pull disappear."""
    async with manager_fixtures.agent(private_cluster, "first"):
        session = await user.sessions.create(image=image)
        await session.reaches("PULLING", within=10)
    async with manager_fixtures.agent(private_cluster, "second") as second:
        goes(second, PullStatus.READY)
        await session.reaches("RUNNING", within=30)
        assert ("PULLING", "PENDING") in observe.history(session.id)
        assert (await session.refresh()).agent == "second"
        assert observe.slots_in_use(session.id) == (1, 256)


async def test_agent_that_is_back_before_its_sessions_are_locked_keeps_its_pull(
    cluster, user, image, observe, database
):
    """Only what is still lost is settled. Hold the session's lock, let a look find its agent LOST, bring the agent back, let go."""
    async with manager_fixtures.agent(cluster) as agent:
        session = await user.sessions.create(image=image)
        await session.reaches("PULLING", within=10)
        kernel = observe.kernel(session.id)
        async with asyncio.TaskGroup() as group:
            async with database.transaction() as held:
                await held.execute("SELECT FROM sessions WHERE id = %s FOR UPDATE", [session.id])
                observe.database.execute("UPDATE agents SET status = 'LOST' WHERE id = 'stub'")
                settling = group.create_task(ReconcilerLedger(database).settle_lost())
                await until(lambda: observe.value(WAITS), within=10)
                observe.database.execute("UPDATE agents SET status = 'ALIVE' WHERE id = 'stub'")
            assert await settling == []
        goes(agent, PullStatus.READY)
        await session.reaches("RUNNING", within=10)
        assert observe.kernel(session.id) == kernel


async def test_claim_that_waited_leaves_the_kernel_what_it_has_become(
    cluster, user, image, observe, database
):
    """A claim writes nothing old. Let one wait for the session's lock, whose holder lets the kernel be created, and look."""
    books = LifecycleBooks(database, "test")
    async with manager_fixtures.agent(cluster):
        session = await user.sessions.create(image=image)
        await session.reaches("PULLING", within=10)
        kernel = observe.kernel(session.id)
        claimed = "UPDATE kernels SET claimed_by = 'test', claimed_until = now() + interval '1h'"
        observe.database.execute(f"{claimed} WHERE id = %s", [kernel])
        async with asyncio.TaskGroup() as group:
            async with database.transaction() as held:
                await held.execute(
                    "UPDATE sessions SET status = 'CREATING' WHERE id = %s", [session.id]
                )
                await held.execute(
                    "UPDATE kernels SET status = 'CREATING' WHERE id = %s", [kernel]
                )
                claiming = group.create_task(books.claim(kernel))
                await until(lambda: observe.value(WAITS), within=10)
            work = await claiming
        assert work is not None
        assert work.status == "CREATING"
        await books.release(work)
        await session.reaches("RUNNING", within=10)


async def test_registry_that_is_forgotten_ends_the_session(cluster, user, image, observe):
    """A source that is gone is told. Forget the registry before the agent is there; the session ends and says so."""
    session = await user.sessions.create(image=image)
    observe.rows("UPDATE images SET registry_id = NULL WHERE name = %s RETURNING 1", image)
    async with manager_fixtures.agent(cluster):
        with pytest.raises(SessionEnded, match="pull-failed"):
            await session.reaches("RUNNING", within=10)
    assert "registry is not known any more" in (await session.refresh()).detail


async def test_session_that_pulls_does_not_mount_what_was_revoked(
    cluster, user, other_user, image, observe
):
    """Behaviour 39: the next mount is cut even when a place is found. Let the image be pulled, revoke, let the pull end; no kernel is asked for."""
    host = f"host-{uuid.uuid4().hex}"
    async with (
        manager_fixtures.storage(cluster, host),
        manager_fixtures.agent(cluster) as agent,
    ):
        folder = await other_user.folders.create("data", host=host)
        invitation = await folder.invite(user.view.name, "write")
        theirs = await user.folders.accept(invitation.id)
        session = await user.sessions.create(image=image, mounts={"in": theirs})
        await session.reaches("PULLING", within=10)
        await other_user.folders.end(invitation.id)
        goes(agent, PullStatus.READY, bytes_done=20, bytes_total=20, layers=2)
        await session.reaches("TERMINATED", within=10)
        view = await session.refresh()
        assert (view.reason, view.detail) == (
            "folder-not-shared",
            "the folder data, which it mounts, is not shared any more",
        )
        assert agent.requests == {}
        assert observe.slots_in_use(session.id) == (0, 0)
