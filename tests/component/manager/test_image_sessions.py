"""Sessions of images from a registry: what the image wants, what its tag named, which machines run it."""

import asyncio
import uuid

import pytest

from quarterdeck.client.errors import Refused
from quarterdeck.manager.images.store import ImageStore
from quarterdeck.testing import manager_fixtures
from shakeout.waiting.until import until

DIGEST = f"sha256:{'a' * 64}"
MOVED = f"sha256:{'b' * 64}"


@pytest.fixture
def image(observe):
    """Offer an image, as a rescan does: `image("arm64", cpu_min=2)`; gives its name. It is gone afterwards."""
    made = []

    def offer(*architectures, digest=DIGEST, cpu_min=1, memory_mib_min=1):
        name = f"hub/n{uuid.uuid4().hex}:1"
        made.append(name)
        observe.rows(
            "INSERT INTO images (name, repository, tag, digest, architectures, cpu_min, memory_mib_min)"
            " VALUES (%s, 'x', '1', %s, %s, %s, %s) RETURNING 1",
            name,
            digest,
            list(architectures),
            cpu_min,
            memory_mib_min,
        )
        return name

    yield offer
    for name in made:
        observe.rows("DELETE FROM sessions WHERE image = %s RETURNING 1", name)
        observe.rows("DELETE FROM images WHERE name = %s RETURNING 1", name)


async def refusal(user, image, **slots):
    with pytest.raises(Refused) as refused:
        await user.sessions.create(image=image, slots=slots)
    assert await user.sessions.list(ended=True) == []
    return refused.value


async def test_slots_below_the_minimum_are_refused_before_any_effect(user, image):
    name = image("amd64", cpu_min=2, memory_mib_min=512)
    less = await refusal(user, name, cpu=1, memory_mib=512)
    assert (less.code, less.field) == ("slots-below-minimum", "slots.cpu")
    assert "2" in less.detail
    less = await refusal(user, name, cpu=2, memory_mib=511)
    assert (less.code, less.field) == ("slots-below-minimum", "slots.memory_mib")
    assert "512" in less.detail


async def test_enough_slots_are_enough(user, image):
    name = image("amd64", cpu_min=2, memory_mib_min=512)
    session = await user.sessions.create(image=name, slots={"cpu": 2, "memory_mib": 512})
    assert session.view.status == "PENDING"
    await session.terminate()


async def test_missing_image_is_not_offered_and_says_since_when(user, image, observe):
    name = image("amd64")
    observe.rows("UPDATE images SET missing_since = now() WHERE name = %s RETURNING 1", name)
    refused = await refusal(user, name)
    assert (refused.code, refused.field) == ("image-not-found", "image")
    assert "not offered any more" in refused.detail
    assert name not in [one.name for one in await user.images.list()]


async def test_session_keeps_what_the_tag_named_when_it_was_made(user, image, observe):
    """Behaviour 63: digest vs tag. Move the tag after a session was made; the session has the old digest, the next the new one."""
    name = image("amd64")
    first = await user.sessions.create(image=name)
    observe.rows("UPDATE images SET digest = %s WHERE name = %s RETURNING 1", MOVED, name)
    second = await user.sessions.create(image=name)
    assert first.view.image_digest == (await first.refresh()).image_digest == DIGEST
    assert second.view.image_digest == (await second.refresh()).image_digest == MOVED
    for session in (first, second):
        await session.terminate()


async def test_image_that_every_agent_has_is_pinned_to_nothing(user):
    session = await user.sessions.create()
    assert session.view.image_digest is None
    await session.terminate()


async def test_machine_of_another_architecture_is_never_given_the_session(user, image, cluster):
    """Behaviour 27: an architecture mismatch is never placed. An idle agent of another architecture gets nothing; one that fits does."""
    async with manager_fixtures.agent(cluster, "wrong", cpu=9, architecture="riscv64") as wrong:
        session = await user.sessions.create(image=image("arm64", "s390x"))
        other = await user.sessions.create()
        await other.reaches("RUNNING", within=10)
        assert (await session.refresh()).status == "PENDING"
        await session.terminate()
        await other.terminate()
        await other.reaches("TERMINATED", within=10)
        assert [kernel for name, kernel in wrong.calls if name == "create"] == [
            one.id for one in (await other.refresh()).kernels
        ]


async def test_database_places_nothing_on_a_machine_that_cannot_run_it(
    user, image, observe, cluster
):
    """Behaviour 27, the guard. Let a scheduler without sense write a placement on a wrong machine; the database does not take it."""
    async with manager_fixtures.agent(cluster, "guarded", architecture="riscv64"):
        await until(
            lambda: observe.value("SELECT count(*) FROM agents WHERE id = 'guarded'"), within=10
        )
        session = await user.sessions.create(image=image("arm64"))
        placed = observe.rows(
            "SELECT place_sessions(%s::uuid[], %s::uuid[], %s::integer[], %s, %s::integer[], %s::integer[])",
            [str(uuid.uuid4())],
            [session.id],
            [0],
            ["guarded"],
            [1],
            [256],
        )
        assert placed == []
        await session.terminate()


def blocked(observe):
    return observe.value(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )


async def test_image_that_goes_while_a_session_is_made_of_it_is_not_found(
    user, image, observe, database
):
    name = image("amd64")
    async with asyncio.TaskGroup() as group:
        async with database.transaction() as tx:
            await tx.execute("DELETE FROM images WHERE name = %s", [name])
            creating = group.create_task(refusal(user, name))
            await until(lambda: blocked(observe), within=10)
    assert creating.result().code == "image-not-found"


async def test_session_that_is_made_while_its_registry_goes_keeps_its_image(
    user, image, observe, database
):
    name, registry = image("amd64"), str(uuid.uuid4())
    observe.rows(
        "INSERT INTO registries (id, name, url, username) VALUES (%s, %s, 'http://hub', 'x') RETURNING 1",
        registry,
        registry,
    )
    session = await user.sessions.create(image="python:3.11")
    observe.rows("UPDATE images SET registry_id = %s WHERE name = %s RETURNING 1", registry, name)
    store = ImageStore(database, "test")
    async with asyncio.TaskGroup() as group:
        async with database.transaction() as tx:
            await tx.execute("UPDATE sessions SET image = %s WHERE id = %s", [name, session.id])
            deleting = group.create_task(store.delete_registry(registry))
            await until(lambda: blocked(observe), within=10)
    assert deleting.result()
    assert observe.value("SELECT missing_since IS NOT NULL FROM images WHERE name = %s", name)
    await session.terminate()
