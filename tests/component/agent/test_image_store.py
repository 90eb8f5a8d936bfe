"""The agent's image store: an image comes once, whole and verified, or not at all; it leaves when nobody uses it and room is needed."""

import asyncio
import contextlib
import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from quarterdeck.agent.images.errors import ImageNotHere
from quarterdeck.agent.images.store import ImageStore
from quarterdeck.agent.kernels import files, linux
from quarterdeck.base.clock import SystemClock
from quarterdeck.base.errors import QuarterdeckError
from quarterdeck.testing import containers
from quarterdeck.testing.fakes.agent import FakeNews
from quarterdeck.testing.fakes.registry import SOURCE, FakeRegistry
from quarterdeck.testing.image_layers import Layer
from quarterdeck.testing.image_layouts import Image, Layout
from shakeout.skips import skip
from shakeout.waiting.until import until

MIB = 2**20


def image(*names, size=0):
    """An image with a layer for each name."""
    layers = [Layer(gzipped=True).file(name, os.urandom(size) or name) for name in names]
    return Image(layers, labels={"quarterdeck.runtime": "shell"}, config={"Env": ["A=1"]})


@pytest.fixture
def layout():
    """What the registry has."""
    return Layout()


@pytest.fixture
def registry(layout):
    """A registry."""
    return FakeRegistry(layout)


@pytest.fixture
def opened(tmp_path, registry):
    """Open a store, as often as a test likes."""

    @contextlib.asynccontextmanager
    async def act(*, bytes_max=64 * MIB) -> Any:
        news = FakeNews()
        async with ImageStore.open(
            tmp_path / "images", registry, news, bytes_max=bytes_max, clock=SystemClock()
        ) as store:
            vars(store)["news"] = news
            yield store

    return act


async def ended(store, digest):
    """Return how a pull has ended."""
    return await until(
        lambda: (found := store.show(digest)).status != "PULLING" and found, within=20
    )


async def pulled(store, digest):
    """Pull an image and return how that ended."""
    store.pull(digest, SOURCE)
    return await ended(store, digest)


def names_in(image):
    """What the tree of an image has at its top."""
    return sorted(one.name for one in Path(image.tree).iterdir())


def on_disk(tmp_path):
    """How many images, blobs and trees are on disk; nothing half-made may be."""
    root = tmp_path / "images"
    assert not list((root / "blobs" / "partial").iterdir())
    assert not list((root / "trees" / "making").iterdir())
    count = {name: len(list((root / name).iterdir())) for name in ("images", "blobs", "trees")}
    return count["images"], count["blobs"] - 1, count["trees"] - 1


async def test_an_image_is_pulled_verified_unpacked_and_used(opened, layout, tmp_path):
    digest = layout.add(image("base", "top"))
    async with opened() as store:
        with pytest.raises(ImageNotHere):
            store.show(digest)
        assert (await pulled(store, digest)).status == "READY"
        usable = store.use(digest, "kernel")
        assert names_in(usable) == ["base", "top"]
        assert (usable.runtime, usable.environment) == ("shell", {"A": "1"})
        assert on_disk(tmp_path) == (1, 3, 1)
        await until(lambda: store.news.images == [digest], within=5)


async def test_the_manifest_of_this_machine_is_taken_from_an_index(opened, layout):
    other = Image([Layer().file("other")], architecture="s390x")
    digest = layout.add_index([other, image("own")])
    async with opened() as store:
        assert (await pulled(store, digest)).status == "READY"
        assert names_in(store.use(digest, "kernel")) == ["own"]


async def test_however_many_ask_there_is_one_pull_and_its_progress_is_seen(
    opened, layout, registry
):
    digest = layout.add(image("a", "b", size=MIB))
    first, second = layout.manifest(digest)["layers"]
    registry.gate.clear()
    async with opened() as store:
        for _ in range(5):
            assert store.pull(digest, SOURCE).status == "PULLING"
        half = await until(lambda: (seen := store.show(digest)).bytes_done and seen, within=5)
        assert half.bytes_total == first["size"] + second["size"]
        assert (half.layer, half.layers) == (1, 2)
        assert 0 < half.bytes_done <= first["size"] // 2
        registry.gate.set()
        assert (await ended(store, digest)).status == "READY"
    assert set(registry.asked.values()) == {1}


async def test_images_share_the_layers_that_they_have_in_common(
    opened, layout, registry, tmp_path
):
    base, top = Layer(gzipped=True).file("base", "1"), Layer(gzipped=True).file("top", "1")
    one, two = layout.add(Image([base])), layout.add(Image([base, top]))
    async with opened() as store:
        async with asyncio.TaskGroup() as group:
            for digest in (one, two):
                group.create_task(pulled(store, digest))
        trees = [Path(store.use(digest, digest).tree) for digest in (one, two)]
    assert registry.asked[layout.manifest(one)["layers"][0]["digest"]] == 1
    assert on_disk(tmp_path) == (2, 4, 2)
    assert [(tree / "base").read_text() for tree in trees] == ["1", "1"]


@pytest.mark.parametrize("part", ["manifest", "config", "layer"])
async def test_what_is_not_what_its_digest_says_is_refused_and_leaves_nothing(
    opened, layout, registry, tmp_path, part
):
    digest = layout.add(image("a"))
    manifest = layout.manifest(digest)
    names = {
        "manifest": digest,
        "config": manifest["config"]["digest"],
        "layer": manifest["layers"][0]["digest"],
    }
    whole = layout.blobs[names[part]]
    registry.replaced[names[part]] = bytes([whole[0] ^ 1]) + whole[1:]
    async with opened() as store:
        failed = await pulled(store, digest)
        assert failed.status == "FAILED"
        assert names[part] in failed.reason
        await until(lambda: store.news.images == [digest], within=5)
        assert on_disk(tmp_path) == (0, 0, 0)
        registry.replaced.clear()
        assert (await pulled(store, digest)).status == "READY"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda data: data[:-1], "1 bytes of it did not come"),
        (lambda data: data + b"x", "more than it said"),
    ],
)
async def test_a_layer_of_another_length_is_refused(
    opened, layout, registry, tmp_path, change, words
):
    digest = layout.add(image("a"))
    layer = layout.manifest(digest)["layers"][0]["digest"]
    registry.replaced[layer] = change(layout.blobs[layer])
    async with opened() as store:
        assert words in (await pulled(store, digest)).reason


async def test_a_layer_that_must_not_be_unpacked_fails_the_pull_in_words(opened, layout, tmp_path):
    digest = layout.add(Image([Layer().file("../escape")]))
    async with opened() as store:
        failed = await pulled(store, digest)
        assert (
            "layer 1 of 1: '../escape': the name '../escape' leads out of the image"
            in failed.reason
        )
        await until(lambda: store.news.images == [digest], within=5)
        assert on_disk(tmp_path) == (0, 0, 0)


async def test_why_a_registry_refuses_is_told_and_another_pull_may_succeed(
    opened, layout, registry
):
    digest = layout.add(image("a"))
    registry.refusal = QuarterdeckError("the registry is away")
    async with opened() as store:
        assert (await pulled(store, digest)).reason == "the registry is away"
        registry.refusal = None
        assert (await pulled(store, digest)).status == "READY"
        assert [(one.digest, one.status) for one in store.list()] == [(digest, "READY")]


async def test_the_image_that_nobody_has_used_for_longest_makes_room(opened, layout, tmp_path):
    one, two, three = (layout.add(image(name, size=2 * MIB)) for name in ("a", "b", "c"))
    async with opened(bytes_max=10 * MIB) as store:
        for digest in (one, two):
            await pulled(store, digest)
        store.use(one, "kernel")
        store.release("kernel")
        assert (await pulled(store, three)).status == "READY"
        await until(lambda: len(store.news.images) == 3, within=5)
        with pytest.raises(ImageNotHere):
            store.show(two)
        assert [store.show(one).status, store.show(three).status] == ["READY", "READY"]
        assert on_disk(tmp_path) == (2, 4, 2)


async def test_an_image_in_use_is_passed_over_though_it_is_the_oldest(opened, layout):
    one, two, three = (layout.add(image(name, size=2 * MIB)) for name in ("a", "b", "c"))
    async with opened(bytes_max=10 * MIB) as store:
        for digest in (one, two):
            await pulled(store, digest)
            store.use(digest, f"kernel of {digest}")
        store.release(f"kernel of {two}")
        assert (await pulled(store, three)).status == "READY"
        await until(lambda: len(store.news.images) == 3, within=5)
        assert {found.digest for found in store.list()} == {one, three}


async def test_an_image_in_use_never_makes_room(opened, layout):
    one, two = (layout.add(image(name, size=3 * MIB)) for name in ("a", "b"))
    async with opened(bytes_max=10 * MIB) as store:
        await pulled(store, one)
        used = store.use(one, "kernel")
        failed = await pulled(store, two)
        assert failed.status == "FAILED"
        assert (
            "of 10 MiB for images 7 are in use" in failed.reason
            or "unpacks to more" in failed.reason
        )
        assert names_in(used) == ["a"]
        store.release("kernel")
        assert (await pulled(store, two)).status == "READY"


async def test_an_image_larger_than_all_room_is_refused_before_it_comes(opened, layout, registry):
    digest = layout.add(image("a", size=2 * MIB))
    async with opened(bytes_max=MIB) as store:
        assert "of 1 MiB for images" in (await pulled(store, digest)).reason
    assert layout.manifest(digest)["layers"][0]["digest"] not in registry.asked


async def test_two_that_come_at_once_take_no_more_than_there_is(opened, layout, tmp_path):
    """Either alone fits, both do not. Pull both at once and look at the disk meanwhile: one comes, and never is more there than may be."""
    pair = [layout.add(image(name, size=4 * MIB)) for name in ("a", "b")]
    most = 0
    async with opened(bytes_max=14 * MIB) as store:
        for digest in pair:
            store.pull(digest, SOURCE)
        while any(one.status == "PULLING" for one in store.list()):
            most = max(most, await asyncio.to_thread(bytes_below, tmp_path / "images"))
        assert "READY" in {one.status for one in store.list()}
        most = max(most, await asyncio.to_thread(bytes_below, tmp_path / "images"))
    assert 8 * MIB < most <= 14 * MIB


async def test_a_disk_that_cannot_be_tidied_fails_the_pull_and_not_the_agent(
    opened, layout, tmp_path
):
    """Something that cannot be removed is in the way. The pull fails in words, whoever waits is told, and a later one comes."""
    digest = layout.add(image("a"))
    async with opened() as store:
        (tmp_path / "images" / "blobs" / "stray").mkdir()
        assert "The agent's disk refuses" in (await pulled(store, digest)).reason
        await until(lambda: store.news.images == [digest], within=5)
        (tmp_path / "images" / "blobs" / "stray").rmdir()
        assert (await pulled(store, digest)).status == "READY"
        await until(lambda: store.news.images == [digest] * 2, within=5)


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 24 MiB where the store will be."""
    if os.geteuid() != 0:
        skip(containers.ROOT)
    place = tmp_path / "images"
    place.mkdir()
    linux.mount("small", str(place), "tmpfs", 0, "size=24m")
    yield place
    subprocess.run(["umount", str(place)], check=True)


async def test_the_last_of_a_disk_is_left_to_others(opened, layout, small_disk):
    """However much images may take, a disk is never filled. Pull what fits, once more what fits when the first goes, and what never fits."""
    one, two = (layout.add(image(name, size=5 * MIB)) for name in ("a", "b"))
    bomb = layout.add(Image([Layer(gzipped=True).file("zeros", bytes(64 * MIB))]))
    large = layout.add(image("c", size=23 * MIB))
    async with opened(bytes_max=2**40) as store:
        for digest in (one, two):
            assert (await pulled(store, digest)).status == "READY"
        with pytest.raises(ImageNotHere):
            store.show(one)
        store.use(two, "kernel")
        assert "disk has" in (await pulled(store, large)).reason
        assert "unpacks to more than there may be" in (await pulled(store, bomb)).reason
        assert store.show(two).status == "READY"
        await until(lambda: len(store.news.images) == 4, within=5)
        assert shutil.disk_usage(small_disk).free > MIB


def bytes_below(directory):
    """What all files below a directory take, each counted once."""
    found = {one.st_ino: one.st_size for one in files.below(directory)}
    return sum(found.values())


async def test_images_are_there_after_a_restart_and_rubbish_is_not(opened, layout, tmp_path):
    one, two = layout.add(image("a")), layout.add(image("b"))
    async with opened() as store:
        for digest in (one, two):
            await pulled(store, digest)
        tree = store.use(two, "kernel").tree
    root = tmp_path / "images"
    (root / "trees" / Path(tree).name).rename(tmp_path / "taken")
    (root / "blobs" / "partial" / "half").write_text("x")
    (root / "trees" / "making" / "0").mkdir()
    (root / "trees" / "nobody").mkdir()
    (root / "images" / "torn").write_text("{")
    async with opened() as store:
        assert store.show(one).status == "READY"
        with pytest.raises(ImageNotHere):
            store.show(two)
        assert on_disk(tmp_path) == (1, 2, 1)


KILLED = """
import asyncio, pickle, sys
from pathlib import Path
from quarterdeck.agent.images.store import ImageStore
from quarterdeck.base.clock import SystemClock
from quarterdeck.testing.fakes.agent import FakeNews
from quarterdeck.testing.fakes.registry import SOURCE, FakeRegistry
async def main(root, layout, digest):
    registry = FakeRegistry(pickle.loads(Path(layout).read_bytes()))
    async with ImageStore.open(Path(root), registry, FakeNews(), bytes_max=2**30, clock=SystemClock()) as store:
        store.pull(digest, SOURCE)
        print("pulling", flush=True)
        await asyncio.Event().wait()
asyncio.run(main(*sys.argv[1:]))
"""


@pytest.mark.parametrize("moment", range(6))
async def test_a_store_killed_at_any_moment_is_whole_or_without_the_image(
    opened, layout, tmp_path, moment
):
    digest = layout.add(image("a", "b", "c", size=4 * MIB))
    (tmp_path / "layout").write_bytes(pickle.dumps(layout))
    root = tmp_path / "images"
    arguments = [str(root), str(tmp_path / "layout"), digest]
    process: Any = await asyncio.create_subprocess_exec(
        sys.executable, "-c", KILLED, *arguments, stdout=asyncio.subprocess.PIPE
    )
    assert await process.stdout.readline()
    signs = [
        lambda: True,
        lambda: any((root / "blobs" / "partial").iterdir()),
        lambda: len(list((root / "blobs").iterdir())) > 3,
        lambda: any((root / "trees" / "making").iterdir()),
        lambda: len(list((root / "trees").iterdir())) > 1,
        lambda: any((root / "images").iterdir()),
    ]
    # or a later one: a moment may be over before anybody looks
    await until(lambda: any(sign() for sign in signs[moment:]), within=10)
    process.send_signal(signal.SIGKILL)
    await process.wait()
    async with opened() as store:
        assert on_disk(tmp_path) in {(0, 0, 0), (1, 4, 1)}
        assert (await pulled(store, digest)).status == "READY"
        await until(lambda: on_disk(tmp_path) == (1, 4, 1), within=5)
        record = json.loads(next((root / "images").iterdir()).read_bytes())
        assert record["digest"] == digest
