"""The ports of images, registries and rescans: one suite on the fake and on the store in PostgreSQL."""

import uuid

import pytest

from quarterdeck.manager.images import errors, model
from quarterdeck.manager.images.rescans_store import RescanStore
from quarterdeck.manager.images.store import ImageStore
from quarterdeck.testing.fakes.images import FakeImages
from quarterdeck.wire import images
from quarterdeck.wire.images import ImageVariant, RescanStatus

BOTH = pytest.mark.parametrize("kind", ["fake", "real"])
pytestmark = BOTH


def new_id():
    return str(uuid.uuid4())


def digest(text):
    return f"sha256:{text * 64}"


def variant(text="a", architecture="amd64", **changes):
    fields = {"runtime": "python", "cpu_min": 1, "memory_mib_min": 64, "labels": {"a": "b"}}
    return ImageVariant(
        architecture=architecture,
        digest=digest(text),
        size_bytes=1000,
        **{**fields, **changes},
    )


def tagged(tag, text="a", *variants):
    return model.Tagged(tag, digest(text), variants or (variant(text),))


def seen(repository, *found, problems=()):
    tags = frozenset(one.tag for one in found)
    return model.Seen(repository, tags, found, problems)


class Shop:
    """A registry in a store, and a rescan of it that was claimed."""

    def __init__(self, store, rescans, other):
        self.store = store
        self.rescans = rescans
        self.other = other
        self.id = new_id()
        self.name = f"n{uuid.uuid4().hex}"

    async def open(self):
        given = images.RegistryCreate(name=self.name, url="http://hub", repositories=("x",))
        return await self.store.insert_registry(self.id, given)

    async def claim(self):
        """A rescan that is ours."""
        await self.rescans.request(new_id(), self.id)
        return await self.rescans.claim()

    async def record(self, *all_seen):
        claim = await self.claim()
        for one in all_seen:
            await self.store.record(claim, one)
        await self.rescans.end(claim, None)
        return await self.rescans.latest(self.id)

    async def listed(self, *, missing=False):
        found = await self.store.list(missing=missing)
        return [one.name for one in found if one.name.startswith(self.name)]

    async def get(self, name):
        return await self.store.get(f"{self.name}/{name}")


@pytest.fixture
def shop(kind, request, shakeout_runner):
    if kind == "fake":
        store = FakeImages()
        made = Shop(store, store, store)
    else:
        database = request.getfixturevalue("scratch")
        made = Shop(
            ImageStore(database, "test"),
            RescanStore(database, "test"),
            RescanStore(database, "other"),
        )
    shakeout_runner.run(made.open())
    yield made
    shakeout_runner.run(made.store.delete_registry(made.id))


async def test_registry_has_a_name_of_its_own_and_an_end(shop):
    with pytest.raises(errors.RegistryNameTaken):
        await shop.store.insert_registry(
            new_id(), images.RegistryCreate(name=shop.name, url="http://else")
        )
    (view,) = (one for one in await shop.store.list_registries() if one.name == shop.name)
    assert (view.id, view.url, view.repositories) == (shop.id, "http://hub", ("x",))
    assert await shop.store.delete_registry(shop.id)
    assert not await shop.store.delete_registry(shop.id)


async def test_what_was_seen_is_offered(shop):
    both = (variant("b", "arm64", cpu_min=2), variant("a"))
    result = await shop.record(seen("x", tagged("one"), tagged("two", "c", *both)))
    assert await shop.listed() == [f"{shop.name}/x:one", f"{shop.name}/x:two"]
    found = await shop.get("x:two")
    assert (found.registry, found.repository, found.tag) == (shop.name, "x", "two")
    assert found.digest == digest("c")
    assert {one.architecture: one for one in found.variants} == {
        "amd64": both[1],
        "arm64": both[0],
    }
    assert result.results == (images.RepositoryResult(repository="x", images=2),)


async def test_tag_that_moved_has_its_new_digest(shop):
    await shop.record(seen("x", tagged("one", "c", variant("a"), variant("b", "arm64"))))
    await shop.record(seen("x", tagged("one", "d")))
    found = await shop.get("x:one")
    assert found.digest == digest("d")
    assert [one.architecture for one in found.variants] == ["amd64"]


async def test_what_is_known_is_found_by_digest(shop):
    await shop.record(seen("x", tagged("one", "a")), seen("y", tagged("one", "b")))
    assert await shop.store.known(shop.id, "x") == {digest("a"): variant("a")}
    assert await shop.store.known(new_id(), "x") == {}


async def test_tag_that_is_gone_is_missing_and_comes_back(shop):
    await shop.record(seen("x", tagged("one"), tagged("two")))
    result = await shop.record(seen("x", tagged("two")))
    assert result.results[0].missing == 1
    assert await shop.listed() == [f"{shop.name}/x:two"]
    assert len(await shop.listed(missing=True)) == 2
    assert (await shop.get("x:one")).missing_since is not None
    await shop.record(seen("x", tagged("one"), tagged("two")))
    assert (await shop.get("x:one")).missing_since is None


async def test_tag_that_could_not_be_read_stays(shop):
    await shop.record(seen("x", tagged("one")))
    unread = model.Seen("x", frozenset({"one"}), (), ("one: bad",))
    result = await shop.record(unread)
    assert await shop.listed() == [f"{shop.name}/x:one"]
    assert result.results[0].problems == ("one: bad",)


async def test_repository_that_could_not_be_looked_at_stays(shop):
    await shop.record(seen("x", tagged("one")))
    claim = await shop.claim()
    await shop.store.failed(claim, "x", "no")
    assert await shop.listed() == [f"{shop.name}/x:one"]
    assert (await shop.rescans.latest(shop.id)).results[0].problems == ("no",)
    await shop.rescans.end(claim, None)


async def test_repositories_that_are_gone_are_missing(shop):
    await shop.record(seen("x", tagged("one")), seen("y", tagged("one")))
    claim = await shop.claim()
    await shop.store.forget_repositories(claim, ["y"])
    assert await shop.listed() == [f"{shop.name}/y:one"]
    await shop.rescans.end(claim, None)


async def test_rescan_is_one_at_a_time_and_tells_how_it_goes(shop):
    first = await shop.rescans.request(new_id(), shop.id)
    again = await shop.rescans.request(new_id(), shop.id)
    assert (first.id, first.status) == (again.id, RescanStatus.WAITING)
    claim = await shop.rescans.claim()
    assert (claim.rescan, claim.registry.name) == (first.id, shop.name)
    assert await shop.rescans.claim() is None
    await shop.rescans.begin(claim, 7)
    await shop.store.record(claim, seen("x"))
    now = await shop.rescans.latest(shop.id)
    assert (now.status, now.repositories_done, now.repositories_total) == ("RUNNING", 1, 7)
    await shop.rescans.end(claim, "broken")
    ended = await shop.rescans.latest(shop.id)
    assert (ended.status, ended.reason) == (RescanStatus.FAILED, "broken")
    assert ended.ended_at is not None
    assert (await shop.rescans.request(new_id(), shop.id)).id != first.id
    assert await shop.rescans.cancel(shop.id)


async def test_cancelled_rescan_is_written_by_nobody(shop):
    claim = await shop.claim()
    assert await shop.rescans.hold(claim)
    assert await shop.rescans.cancel(shop.id)
    assert not await shop.rescans.cancel(shop.id)
    assert not await shop.rescans.hold(claim)
    await shop.store.record(claim, seen("x", tagged("one")))
    await shop.store.failed(claim, "x", "no")
    await shop.store.forget_repositories(claim, [])
    await shop.rescans.end(claim, None)
    assert await shop.listed() == []
    assert (await shop.rescans.latest(shop.id)).status is RescanStatus.CANCELLED


async def test_rescan_of_an_earlier_life_is_begun_anew(shop):
    claim = await shop.claim()
    await shop.rescans.release()
    again = await shop.other.claim()
    assert again == claim
    await shop.other.end(again, None)


async def test_nobody_looks_at_a_registry_that_is_not_there(shop):
    assert await shop.rescans.request(new_id(), new_id()) is None
    assert await shop.rescans.latest(new_id()) is None
