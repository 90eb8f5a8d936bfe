"""An agent's addresses of images: a pull is asked for again and again and happens once; how far it is, and why it failed, is told."""

from typing import Any

import pytest
import redis.asyncio

from quarterdeck.testing.fakes.registry_http import REPOSITORY, StubRegistry
from quarterdeck.testing.image_layers import Layer
from quarterdeck.testing.image_layouts import Image, Layout
from quarterdeck.wire import events
from quarterdeck.wire.agents import ImagePull
from shakeout.waiting.until import until

NOWHERE = f"sha256:{'0' * 64}"


@pytest.fixture
def layout():
    """What the registry has."""
    return Layout()


@pytest.fixture
def registry(layout, shakeout_runner):
    """A registry in this process."""
    kept = shakeout_runner.keep(StubRegistry(layout).serving())
    yield kept.value
    kept.close()


@pytest.fixture
def source(registry):
    """Where the images are."""
    return ImagePull(registry=registry.url, repository=REPOSITORY)


async def ended(agent, digest):
    """Return how a pull has ended."""

    async def look():
        found = await agent.image(digest)
        return found if found.status != "PULLING" else None

    return await until(look, within=10)


async def test_a_pull_is_told_from_its_beginning_to_its_end(agent, layout, registry, source):
    digest = layout.add(Image([Layer(gzipped=True).file("a", "1")]))
    missing = await agent.send("GET", f"/v1/images/{digest}")
    assert (missing.status, missing.code) == (409, "image-not-here")
    for _ in range(3):
        assert (await agent.pull(digest, source)).status in {"PULLING", "READY"}
    assert (await ended(agent, digest)).status == "READY"
    assert (await agent.pull(digest, source)).status == "READY"
    blobs = [path for path, _, _ in registry.requests if "/blobs/" in path]
    assert len(blobs) == len(set(blobs)) == 2


async def test_the_end_of_a_pull_is_told_to_managers(agent, layout, source, cluster):
    digest = layout.add(Image([Layer().file("told", "1")]))
    async with redis.asyncio.Redis.from_url(
        cluster.address("redis"), decode_responses=True, socket_timeout=7
    ) as stream:
        newest = await stream.xrevrange(events.STREAM, count=1)
        await agent.pull(digest, source)
        since: Any = {events.STREAM: newest[0][0] if newest else "0"}
        read: Any = await stream.xread(since, block=5000)
        ((_, entries),) = read
    assert {"kind": "image-changed", "id": digest} in [fields for _, fields in entries]


async def test_why_a_pull_failed_is_told_in_words(agent, layout, registry, source):
    digest = layout.add(Image([Layer().file("b", "1")]))
    layer = layout.manifest(digest)["layers"][0]["digest"]
    registry.other[layer] = bytes(len(layout.blobs[layer]))
    await agent.pull(digest, source)
    failed = await ended(agent, digest)
    assert (failed.status, layer in failed.reason) == ("FAILED", True)
    registry.other.clear()
    await agent.pull(digest, source)
    assert (await ended(agent, digest)).status == "READY"


async def test_a_registry_that_does_not_answer_is_named(agent, layout):
    digest = layout.add(Image([Layer().file("c", "1")]))
    await agent.pull(digest, ImagePull(registry="http://127.0.0.1:1", repository="a/b"))
    failed = await ended(agent, digest)
    assert (failed.status, "http://127.0.0.1:1" in failed.reason) == ("FAILED", True)


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("latest", b'{"registry": "http://x", "repository": "a"}', "digest"),
        (NOWHERE, b'{"registry": "ftp://x", "repository": "a"}', "registry"),
        (NOWHERE, b'{"registry": "http://u:p@x", "repository": "a"}', "registry"),
        (NOWHERE, b'{"registry": "http://x", "repository": "../a"}', "repository"),
    ],
)
async def test_bad_requests_name_the_field(agent, path, body, field):
    refused = await agent.send("PUT", f"/v1/images/{path}", body)
    assert (refused.status, refused.code, refused.field) == (400, "invalid-field", field)
