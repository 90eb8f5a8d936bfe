"""The registry client against a registry that does what real ones do rarely, or should not: each ends in a typed error, or is put right."""

import pytest

from quarterdeck.base.clock import SystemClock
from quarterdeck.base.config import Secret
from quarterdeck.infra.errors import (
    DigestMismatch,
    RegistryMisbehaves,
    RegistryUnauthorized,
    RegistryUnreachable,
)
from quarterdeck.infra.registry import BLOB_ATTEMPTS_MAX, Registry
from quarterdeck.infra.registry_access import Credentials
from quarterdeck.testing.fakes.registry_http import REPOSITORY, StubRegistry
from quarterdeck.testing.image_layers import Layer
from quarterdeck.testing.image_layouts import Image, Layout
from quarterdeck.wire import oci

KNOWN = Credentials("ada", Secret("hush"))
LARGE = bytes(range(256)) * 512


@pytest.fixture
def stub(opened):
    layout = Layout()
    layer = Layer().file("large", LARGE)
    for tag in ("a", "b", "c", "d", "e"):
        layout.add(Image([layer], labels={"tag": tag}), tag)
    return opened(StubRegistry(layout).serving())


@pytest.fixture
def other(opened):
    return opened(StubRegistry(Layout()).serving())


@pytest.fixture
def client(opened, stub):
    return opened(Registry.open(stub.url, KNOWN, SystemClock()))


async def all_of(names):
    return [name async for name in names]


async def layer_of(client):
    return (await client.manifest(REPOSITORY, "a")).content.layers[0]


async def whole(client, layer, **options):
    return b"".join(await all_of(client.blob(REPOSITORY, layer, **options)))


async def test_tags_go_on_over_pages(stub, client):
    stub.tags_per_page = 2
    assert await all_of(client.tags(REPOSITORY)) == ["a", "b", "c", "d", "e"]
    assert len(stub.requests) == 3


@pytest.mark.parametrize(
    ("link", "words"),
    [
        (f"/v2/{REPOSITORY}/tags/list?n=2&last=a", "does not end"),
        ("http://127.0.0.1:1/v2/elsewhere", "elsewhere"),
        ("http://[x/", "nowhere"),
    ],
)
async def test_list_that_leads_astray_is_refused(stub, client, link, words):
    stub.tags_per_page, stub.next_link = 2, link
    with pytest.raises(RegistryMisbehaves, match=words):
        await all_of(client.tags(REPOSITORY))


async def test_address_that_is_none_is_refused(stub, client):
    layer = await layer_of(client)
    stub.redirect = "http://[x/"
    with pytest.raises(RegistryMisbehaves, match="an address that is none"):
        await whole(client, layer)
    stub.redirect, stub.challenge = "", 'Bearer realm="http://[x/",service="x"'
    with pytest.raises(RegistryMisbehaves, match="an address that is none"):
        await layer_of(client)


async def test_blob_that_breaks_off_is_gone_on_with(stub, client):
    layer = await layer_of(client)
    stub.breaks_after, stub.breaks = 1000, 10
    assert await whole(client, layer) == stub.layout.blobs[layer.digest]
    asked = [range_ for path, range_, _ in stub.requests if "/blobs/" in path]
    assert asked == ["", *(f"bytes={1000 * part}-" for part in range(1, 11))]


async def test_blob_that_breaks_off_without_ranges_is_read_anew(stub, client):
    layer = await layer_of(client)
    stub.breaks_after, stub.ranges = 1000, False
    assert await whole(client, layer) == stub.layout.blobs[layer.digest]
    assert (await whole(client, layer, start=70_000))[:4] == stub.layout.blobs[layer.digest][
        70_000:70_004
    ]


async def test_blob_that_never_comes_is_given_up(stub, client):
    layer = await layer_of(client)
    stub.status = 503
    with pytest.raises(RegistryUnreachable, match="503"):
        await whole(client, layer)
    assert len(stub.requests) == 1 + BLOB_ATTEMPTS_MAX


@pytest.mark.parametrize("change", [b"", b"longer"])
async def test_other_content_than_the_digest_says_is_refused(stub, client, change):
    layer = await layer_of(client)
    content = stub.layout.blobs[layer.digest]
    stub.other[layer.digest] = content + change if change else b"x" + content[1:]
    with pytest.raises(DigestMismatch):
        await whole(client, layer)


async def test_manifest_that_is_not_its_digest_is_refused(stub, client):
    digest = stub.layout.tags["a"]
    stub.other[digest] = stub.layout.blobs[stub.layout.tags["b"]]
    for reference in ("a", digest):
        with pytest.raises(DigestMismatch):
            await client.manifest(REPOSITORY, reference)


@pytest.mark.parametrize(
    "body", [b"{", b"{}", b'{"mediaType": "text/plain"}', b" " * (oci.MANIFEST_BYTES_MAX + 1)]
)
async def test_manifest_that_is_none_is_refused(stub, client, body):
    digest = oci.digest(body)
    stub.layout.blobs[digest], stub.layout.media_types[digest] = body, oci.OCI_MANIFEST
    with pytest.raises(RegistryMisbehaves):
        await client.manifest(REPOSITORY, digest)


async def test_redirect_is_followed_and_no_password_goes_with_it(stub, client, other):
    layer = await layer_of(client)
    other.layout = stub.layout
    stub.challenge = 'Basic realm="stub"'
    stub.redirect = f"{other.url}/v2/{REPOSITORY}/blobs/"
    assert await whole(client, layer) == stub.layout.blobs[layer.digest]
    assert stub.requests[-1][2].startswith("Basic ")
    assert [shown for _, _, shown in other.requests] == [""]


@pytest.mark.parametrize(
    ("target", "words"),
    [("{url}/v2/deck/tool/blobs/", "without an end"), ("file:///", "leads to")],
)
async def test_redirect_to_nowhere_is_refused(stub, client, target, words):
    layer = await layer_of(client)
    stub.redirect = target.format(url=stub.url)
    with pytest.raises(RegistryMisbehaves, match=words):
        await whole(client, layer)


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_registry_that_cannot_now_is_unreachable(stub, client, status):
    stub.status = status
    with pytest.raises(RegistryUnreachable, match=str(status)):
        await client.check()


@pytest.mark.parametrize("status", [403, 401])
async def test_registry_that_refuses_is_told(stub, client, status):
    stub.status = status
    with pytest.raises((RegistryUnauthorized, RegistryMisbehaves)):
        await client.check()


@pytest.mark.parametrize(
    ("challenge", "words"),
    [
        ("", "does not tell"),
        ("Negotiate", "not known here"),
        ('Bearer realm="file:///etc/passwd"', "no URL"),
        ('Bearer realm="http://user:word@127.0.0.1/"', "no URL"),
    ],
)
async def test_challenge_that_cannot_be_met_is_refused(stub, client, challenge, words):
    stub.challenge = challenge
    stub.status = 0 if challenge else 401
    with pytest.raises(RegistryMisbehaves, match=words):
        await client.check()


async def test_server_that_is_no_registry_is_told(stub, client):
    stub.status = 404
    with pytest.raises(RegistryMisbehaves, match="no registry"):
        await client.check()


async def test_nobody_there_is_unreachable(enter):
    client = await enter(Registry.open("http://127.0.0.1:9", None, SystemClock()))
    with pytest.raises(RegistryUnreachable, match=r"127\.0\.0\.1:9"):
        await client.check()
