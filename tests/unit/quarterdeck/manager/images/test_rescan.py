"""A look at a registry: what it finds, what hinders it, and that what could not be looked at changes nothing."""

import asyncio

import pytest

from quarterdeck.base import tasks
from quarterdeck.base.errors import QuarterdeckError
from quarterdeck.infra.errors import (
    ManifestNotFound,
    RegistryMisbehaves,
    RegistryUnauthorized,
    RegistryUnreachable,
)
from quarterdeck.manager.images.rescan import Rescanner
from quarterdeck.testing.fakes.images import FakeCatalogues, FakeImages
from quarterdeck.testing.image_layers import Layer
from quarterdeck.testing.image_layouts import Image, Layout
from quarterdeck.wire import images
from quarterdeck.wire.images import RescanStatus

LAYER = Layer().file("x", "y")


def layout(*tags, labels=None):
    made = Layout()
    for tag in tags:
        made.add(Image([LAYER], labels={"tag": tag, **(labels or {})}), tag)
    return made


class Deck:
    """A registry that is known, what it serves, and the manager's look at it."""

    def __init__(self):
        self.store = FakeImages()
        self.catalogues = FakeCatalogues(tool=layout("a", "b"), other=layout("x"))
        self.rescanner = Rescanner(self.store, self.store, self.catalogues)

    async def rescan(self):
        if not self.store.registries:
            given = images.RegistryCreate(name="hub", url="http://hub")
            await self.store.insert_registry("hub", given)
        await self.store.request(f"rescan-{len(self.catalogues.asked)}", "hub")
        await self.rescanner.run()
        return self.store.rescans["hub"]

    def names(self, *, missing=False):
        return sorted(
            name
            for name, one in self.store.images.items()
            if (one.missing_since is not None) == missing
        )


ALL = ["hub/other:x", "hub/tool:a", "hub/tool:b"]


@pytest.fixture
def deck():
    return Deck()


async def test_all_tags_of_all_repositories_become_images(deck):
    found = await deck.rescan()
    assert (found.status, found.reason) == (RescanStatus.DONE, None)
    assert (found.repositories_done, found.repositories_total) == (2, 2)
    assert deck.names() == ALL


async def test_second_look_reads_no_configuration_again(deck):
    await deck.rescan()
    deck.catalogues.asked.clear()
    await deck.rescan()
    assert not [what for what in deck.catalogues.asked if what.startswith("config")]
    assert deck.names() == ALL


async def test_index_is_one_image_with_a_variant_an_architecture(deck):
    made = Layout()
    made.add_index([Image([LAYER], architecture=one) for one in ("arm64", "amd64")], "multi")
    deck.catalogues.layouts["tool"] = made
    await deck.rescan()
    found = deck.store.images["hub/tool:multi"]
    assert found.digest == made.tags["multi"]
    assert [one.architecture for one in found.variants] == ["amd64", "arm64"]


async def test_tag_and_repository_that_are_gone_are_missing(deck):
    await deck.rescan()
    del deck.catalogues.layouts["tool"].tags["a"]
    del deck.catalogues.layouts["other"]
    await deck.rescan()
    assert deck.names() == ["hub/tool:b"]
    assert deck.names(missing=True) == ["hub/other:x", "hub/tool:a"]


async def test_tag_that_is_back_is_offered_again(deck):
    await deck.rescan()
    digest = deck.catalogues.layouts["tool"].tags.pop("a")
    await deck.rescan()
    deck.catalogues.layouts["tool"].tags["a"] = digest
    await deck.rescan()
    assert deck.names() == ALL


@pytest.mark.parametrize(
    ("what", "error"),
    [
        ("check", RegistryUnauthorized("no")),
        ("check", RegistryUnreachable("no")),
        ("repositories", RegistryMisbehaves("no")),
        ("open", QuarterdeckError("no")),
    ],
)
async def test_registry_that_cannot_be_looked_at_changes_nothing(deck, what, error):
    await deck.rescan()
    deck.catalogues.failures[what] = error
    deck.catalogues.layouts.clear()
    found = await deck.rescan()
    assert (found.status, found.reason) == (RescanStatus.FAILED, "no")
    assert deck.names() == ALL


@pytest.mark.parametrize("error", [ManifestNotFound("bad"), RegistryUnreachable("bad")])
async def test_bad_manifest_is_told_and_stops_nothing(deck, error):
    await deck.rescan()
    deck.catalogues.failures["manifest tool a"] = error
    found = await deck.rescan()
    assert found.status is RescanStatus.DONE
    (tool,) = (one for one in found.results if one.repository == "tool")
    assert (tool.images, tool.missing, tool.problems) == (1, 0, ("a: bad",))
    assert deck.names() == ALL


async def test_bad_label_is_told_with_its_name(deck):
    deck.catalogues.layouts["tool"] = layout("a", labels={"quarterdeck.min.cpu": "lots"})
    found = await deck.rescan()
    assert "lots" in found.results[1].problems[0]
    assert deck.names() == ["hub/other:x"]


async def test_repository_that_refuses_us_is_a_result_of_its_own(deck):
    await deck.rescan()
    deck.catalogues.failures["tags tool"] = RegistryUnauthorized("not yours")
    found = await deck.rescan()
    assert found.status is RescanStatus.DONE
    assert found.results[1].problems == ("not yours",)
    assert deck.names() == ALL


async def test_registry_that_goes_in_the_middle_fails_the_look_and_loses_nothing(deck):
    await deck.rescan()
    deck.catalogues.failures["tags tool"] = RegistryUnreachable("gone")
    asked = deck.catalogues.check

    async def check_fails_later():
        if "repositories" in deck.catalogues.asked[-3:]:
            raise RegistryUnreachable("gone")
        await asked()

    deck.catalogues.asked.clear()
    deck.catalogues.check = check_fails_later
    found = await deck.rescan()
    assert (found.status, found.reason) == (RescanStatus.FAILED, "gone")
    assert deck.names() == ALL


async def test_cancelled_look_writes_nothing_more(deck):
    arrived = asyncio.Event()

    async def never(_):
        arrived.set()
        await asyncio.Event().wait()

    deck.catalogues.tags = never
    async with asyncio.TaskGroup() as group:
        group.create_task(deck.rescan())
        await arrived.wait()
        assert await deck.store.cancel("hub")
        deck.rescanner.cancelled("hub")
    assert deck.store.rescans["hub"].status is RescanStatus.CANCELLED
    assert deck.names() == []


async def test_named_repositories_are_looked_at_without_a_catalogue(deck):
    given = images.RegistryCreate(name="hub", url="http://hub", repositories=("tool", "none"))
    await deck.store.insert_registry("hub", given)
    found = await deck.rescan()
    assert "repositories" not in deck.catalogues.asked
    assert [one.repository for one in found.results] == ["none", "tool"]
    assert deck.names() == ["hub/tool:a", "hub/tool:b"]


async def test_names_that_are_none_are_told_and_stop_nothing(deck):
    deck.catalogues.layouts["tool"].tags["a\0"] = deck.catalogues.layouts["tool"].tags["a"]
    deck.catalogues.layouts["no\0pe"] = layout("a")
    found = await deck.rescan()
    assert (found.status, found.repositories_done) == (RescanStatus.DONE, 3)
    problems = {one.repository: one.problems for one in found.results}
    assert problems == {
        "no\\x00pe": ("it is no name of a repository",),
        "other": (),
        "tool": ("a\\x00: it is no tag",),
    }
    assert deck.names() == ALL


@pytest.mark.parametrize("what", ["check", "tags tool", "manifest tool a"])
async def test_look_that_goes_wrong_as_nobody_expects_is_not_begun_anew(deck, what):
    deck.catalogues.failures[what] = ValueError("odd")
    found = await deck.rescan()
    assert found.status is RescanStatus.FAILED
    assert "log" in found.reason
    assert await deck.store.claim() is None


async def test_look_that_overlaps_another_at_the_same_registry_ends_well(deck):
    """Two loops have claimed: the first may be the last to notice that it was cancelled."""
    arrived: asyncio.Queue[None] = asyncio.Queue()
    go = asyncio.Event()

    async def stays():
        arrived.put_nowait(None)
        await go.wait()

    deck.catalogues.check = stays
    async with asyncio.TaskGroup() as group:
        group.create_task(deck.rescan())
        await arrived.get()
        assert await deck.store.cancel("hub")
        await deck.store.request("next", "hub")
        group.create_task(deck.rescanner.run())
        await arrived.get()
        go.set()
    assert deck.store.rescans["hub"].id == "next"
    assert deck.store.rescans["hub"].status is RescanStatus.DONE


async def test_loop_that_finds_a_registry_to_look_at_wakes_the_others(deck):
    """Only one loop looks by itself. Let another wait to be woken, ask for two rescans behind their backs, and look once: both are done at the same time."""
    both = asyncio.Barrier(2)
    deck.catalogues.check = both.wait
    async with asyncio.timeout(20), tasks.background() as background:
        run, wake = deck.rescanner.run, deck.rescanner.wake
        background.start(tasks.every(3600, run, name="rescan", wake=wake))
        await tasks.pause(0)
        for name in ("hub", "yard"):
            given = images.RegistryCreate(name=name, url=f"http://{name}")
            await deck.store.insert_registry(name, given)
            await deck.store.request(f"rescan of {name}", name)
        await run()
        assert deck.store.rescans["hub"].status is RescanStatus.DONE
