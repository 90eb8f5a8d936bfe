"""The registry client against Debian's registry: lists, manifests of both kinds, blobs, passwords, tokens."""

import asyncio

import pytest

from quarterdeck.base.clock import SystemClock
from quarterdeck.base.config import Secret
from quarterdeck.infra.errors import (
    BlobNotFound,
    DigestMismatch,
    ManifestNotFound,
    RegistryUnauthorized,
    RegistryUnreachable,
    RepositoryNotFound,
)
from quarterdeck.infra.registry import Registry
from quarterdeck.infra.registry_access import Credentials
from quarterdeck.testing.image_layers import Layer
from quarterdeck.testing.image_layouts import Image, Layout
from quarterdeck.wire import oci
from shakeout.services.registry import PASSWORD, USER

KNOWN = Credentials(USER, Secret(PASSWORD))
WRONG = Credentials(USER, Secret("guess"))
pytestmark = pytest.mark.needs("registry", "guarded", "ticketed")


def image(text, architecture="amd64"):
    layer = Layer(gzipped=True).file("etc/motd", text)
    return Image([layer], labels={"motd": text}, architecture=architecture)


def layout(*tags):
    made = Layout()
    for tag in tags:
        made.add(image(tag), tag)
    return made


@pytest.fixture
def client(enter):
    async def open_(shelf, credentials=None, **options):
        return await enter(Registry.open(shelf.url, credentials, SystemClock(), **options))

    return open_


async def all_of(names):
    return [name async for name in names]


async def test_catalogue_and_tags_are_whole_over_many_pages(shelf, client):
    shelf = shelf()
    await shelf.push("deck/tool", layout("one", "two", "three"))
    for number in range(6):
        shelf.copy_repository("deck/tool", f"deck/tool-{number}")
    registry = await client(shelf, page_entries=2)
    names = [f"deck/tool-{number}" for number in range(6)]
    assert await all_of(registry.catalog()) == sorted(["deck/tool", *names])
    assert sorted(await all_of(registry.tags("deck/tool"))) == ["one", "three", "two"]


async def test_repository_that_is_not_there(shelf, client):
    registry = await client(shelf())
    with pytest.raises(RepositoryNotFound):
        await all_of(registry.tags("deck/none"))


async def test_repository_without_tags_is_empty(shelf, client):
    shelf = shelf()
    await shelf.push("deck/tool", layout("one"))
    shelf.remove_tag("deck/tool", "one")
    registry = await client(shelf)
    assert await all_of(registry.tags("deck/tool")) == []


async def test_manifest_is_the_same_by_tag_and_by_digest(shelf, client):
    shelf = shelf()
    made = layout("one")
    await shelf.push("deck/tool", made)
    registry = await client(shelf)
    by_tag = await registry.manifest("deck/tool", "one")
    assert by_tag.digest == made.tags["one"]
    assert await registry.manifest("deck/tool", by_tag.digest) == by_tag
    config = await registry.config("deck/tool", by_tag.content)
    assert (config.architecture, config.labels) == ("amd64", {"motd": "one"})


async def test_manifest_in_dockers_format_is_read(shelf, client):
    shelf = shelf()
    await shelf.push("deck/tool", layout("one"), "--format", "v2s2")
    registry = await client(shelf)
    found = await registry.manifest("deck/tool", "one")
    assert oci.media_type(found.body) == oci.DOCKER_MANIFEST
    assert (await registry.config("deck/tool", found.content)).labels == {"motd": "one"}


async def test_index_names_each_architecture(shelf, client):
    shelf = shelf()
    made = Layout()
    digest = made.add_index([image("x", one) for one in ("amd64", "arm64")], "multi")
    await shelf.push("deck/tool", made)
    registry = await client(shelf)
    found = await registry.manifest("deck/tool", "multi")
    assert found.digest == digest
    for one in found.content.manifests:
        manifest = await registry.manifest("deck/tool", one.digest)
        config = await registry.config("deck/tool", manifest.content)
        assert config.architecture == one.platform.architecture


async def test_missing_manifest_and_blob_are_named(shelf, client):
    shelf = shelf()
    await shelf.push("deck/tool", layout("one"))
    registry = await client(shelf)
    for reference in ("two", oci.digest(b"nothing")):
        with pytest.raises(ManifestNotFound, match=reference):
            await registry.manifest("deck/tool", reference)
    nothing = oci.Descriptor(oci.OCI_LAYER, oci.digest(b"nothing"), 7)
    with pytest.raises(BlobNotFound):
        await all_of(registry.blob("deck/tool", nothing))


async def test_blob_comes_whole_and_from_a_byte_on(shelf, client):
    shelf = shelf()
    made = layout("one")
    await shelf.push("deck/tool", made)
    registry = await client(shelf)
    found = await registry.manifest("deck/tool", "one")
    (layer,) = found.content.layers
    content = made.blobs[layer.digest]
    assert b"".join(await all_of(registry.blob("deck/tool", layer))) == content
    assert b"".join(await all_of(registry.blob("deck/tool", layer, start=10))) == content[10:]
    assert await all_of(registry.blob("deck/tool", layer, start=layer.size)) == []


async def test_blob_that_was_changed_on_the_server_is_refused(shelf, client):
    shelf = shelf()
    made = layout("one")
    await shelf.push("deck/tool", made)
    registry = await client(shelf)
    (layer,) = (await registry.manifest("deck/tool", "one")).content.layers
    content = bytearray(made.blobs[layer.digest])
    content[-1] ^= 1
    path = shelf.blob(layer.digest)
    await asyncio.to_thread(path.write_bytes, content)
    with pytest.raises(DigestMismatch, match=layer.digest):
        await all_of(registry.blob("deck/tool", layer))
    await asyncio.to_thread(path.write_bytes, made.blobs[layer.digest])


async def test_password_is_shown_where_it_is_wanted(shelf, client):
    shelf = shelf("guarded")
    await shelf.push("deck/tool", layout("one"))
    registry = await client(shelf, KNOWN)
    await registry.check()
    assert await all_of(registry.catalog()) == ["deck/tool"]


@pytest.mark.parametrize(("credentials", "words"), [(None, "none are set"), (WRONG, "refuses")])
async def test_wrong_or_no_password_is_told_apart(shelf, client, credentials, words):
    registry = await client(shelf("guarded"), credentials)
    with pytest.raises(RegistryUnauthorized, match=words):
        await registry.check()


async def test_token_is_got_for_each_scope_and_kept(shelf, client):
    shelf = shelf("ticketed")
    async with shelf.tokens() as asked:
        await shelf.push("deck/tool", layout("one", "two"))
        asked.clear()
        registry = await client(shelf, KNOWN)
        assert await all_of(registry.catalog()) == ["deck/tool"]
        for tag in ("one", "two"):
            found = await registry.manifest("deck/tool", tag)
            assert (await registry.config("deck/tool", found.content)).labels == {"motd": tag}
        assert asked == ["registry:catalog:*", "repository:deck/tool:pull"]


async def test_many_requests_at_once_want_one_token(shelf, client):
    shelf = shelf("ticketed")
    async with shelf.tokens() as asked:
        await shelf.push("deck/tool", layout("one"))
        asked.clear()
        registry = await client(shelf, KNOWN)
        async with asyncio.TaskGroup() as group:
            for _ in range(20):
                group.create_task(registry.manifest("deck/tool", "one"))
        assert asked == ["repository:deck/tool:pull"]


@pytest.mark.parametrize("credentials", [None, WRONG])
async def test_service_of_tokens_refuses_strangers(shelf, client, credentials):
    shelf = shelf("ticketed")
    registry = await client(shelf, credentials)
    async with shelf.tokens():
        with pytest.raises(RegistryUnauthorized):
            await registry.manifest("deck/tool", "one")


async def test_service_of_tokens_that_does_not_answer(shelf, client):
    registry = await client(shelf("ticketed"), KNOWN)
    with pytest.raises(RegistryUnreachable):
        await registry.check()
