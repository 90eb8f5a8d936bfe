"""Who may do what to a real storage-proxy, and where: tokens, the shared secret, paths."""

import uuid

import pytest

from quarterdeck.base.clock import SystemClock
from quarterdeck.storage_proxy.model import Limits
from quarterdeck.wire import tokens
from shakeout.faults import lifecycle
from shakeout.faults.clock import ClockJump

METHODS = ["GET", "PUT", "DELETE"]
ESCAPES = [
    "/..",
    "/../..",
    "/../../../../../../etc/passwd",
    "//etc/passwd",
    "/%2e%2e/%2e%2e/secret",
    "/a/%2E%2E/%2e%2e/%2e%2e/secret",
    "/..%2f..%2fsecret",
    "/%2fetc%2fpasswd",
    "/%252e%252e/secret",
    "/a%00b",
    "/a%2500b",
    "/.",
    "/a/./b",
    "/a//b",
    "/a/",
    "/",
    "/%ff",
    "/%0d%0aX:%20y",
]


@pytest.fixture
def secret(disk):
    """A file beside the trees."""
    path = disk / "secret"
    path.write_text("secret")
    yield path
    assert path.read_text() == "secret"
    path.unlink()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("path", ESCAPES)
async def test_path_that_escapes_is_refused(tree, secret, disk, method, path):
    body = b"overwritten" if method == "PUT" else None
    before = sorted(disk.rglob("*"))
    answer = await tree.call(method, path, body=body)
    assert answer.problem == (400, "path-refused")
    assert sorted(disk.rglob("*")) == before


@pytest.mark.parametrize("path", ["../secret", "/etc", "%2e%2e", "a/../..", "a%00"])
async def test_listing_outside_of_the_tree_is_refused(tree, path):
    answer = await tree.call("GET", f"?path={path}")
    assert answer.problem == (400, "path-refused")


async def test_link_that_a_kernel_made_is_refused(tree, secret, disk):
    (disk / "trees" / tree.id / "files" / "link").symlink_to(secret)
    for method, body in (("GET", None), ("PUT", b"overwritten"), ("DELETE", None)):
        answer = await tree.call(method, "/link", body=body)
        assert answer.problem == (400, "path-refused")


@pytest.mark.parametrize(
    "path",
    ["n" * 256, "/".join(["d"] * 33), "/".join(["n" * 200] * 5)],
    ids=["name", "depth", "all"],
)
async def test_path_over_a_limit_is_refused(tree, path):
    assert (await tree.call("PUT", f"/{path}", body=b"x")).problem == (400, "path-too-long")
    assert await tree.names() == []


async def test_full_directory_is_refused(tree, disk):
    files = disk / "trees" / tree.id / "files"
    for number in range(Limits().directory_entries_max):
        (files / str(number)).touch()
    assert (await tree.call("PUT", "/more", body=b"x")).problem == (409, "too-many-entries")
    assert (await tree.call("PUT", "/1", body=b"x")).status == 200


@pytest.mark.parametrize("method", METHODS)
async def test_request_without_a_good_token_is_refused(tree, method):
    await tree.call("PUT", "/file", body=b"kept")
    good = tree.proxy.token(tree.host, tree.id, "write")
    late = tree.proxy.token(tree.host, tree.id, "write", seconds=-1)
    forged = tokens.sign(
        tokens.verify(good, tree.proxy.token_key, SystemClock().now()), "another key"
    )
    header, payload, signature = good.split(".")
    other = tree.proxy.token(tree.host, str(uuid.uuid4()), "write").split(".")[1]
    cases = [
        (None, "unauthenticated"),
        (late, "token-expired"),
        (forged, "token-invalid"),
        (f"{header}.{other}.{signature}", "token-invalid"),
        (f"{header}.{payload}.", "token-invalid"),
        ("eyJhbGciOiJub25lIn0." + payload + ".", "token-invalid"),
        (tree.proxy.secret, "token-invalid"),
    ]
    for token, code in cases:
        answer = await tree.proxy.call(method, "/client/v1/files/file", bearer=token, body=b"")
        assert answer.problem == (401, code)
    assert (await tree.call("GET", "/file")).body == b"kept"


async def test_refusal_without_a_body_says_which_it_is(tree):
    """An answer to HEAD has headers only. Ask with a token that has ended, and for what is not there."""
    await tree.call("PUT", "/file", body=b"kept")
    late = tree.proxy.token(tree.host, tree.id, "read", seconds=-1)
    good = tree.proxy.token(tree.host, tree.id, "read")
    for token, path, expected in (
        (late, "file", (401, "token-expired")),
        (good, "other", (404, "file-not-found")),
    ):
        answer = await tree.proxy.call("HEAD", f"/client/v1/files/{path}", bearer=token)
        assert (answer.status, answer.headers["x-problem-code"], answer.body) == (*expected, b"")


async def test_token_to_read_does_not_write(tree):
    await tree.call("PUT", "/file", body=b"kept")
    assert (await tree.call("PUT", "/file", body=b"x", right="read")).problem == (403, "forbidden")
    assert (await tree.call("DELETE", "/file", right="read")).problem == (403, "forbidden")
    assert (await tree.call("GET", "/file", right="read")).body == b"kept"


async def test_token_opens_one_tree_only(tree):
    await tree.call("PUT", "/file", body=b"kept")
    other = tree.proxy.token(tree.host, str(uuid.uuid4()), "write")
    answer = await tree.proxy.call("GET", "/client/v1/files/file", bearer=other)
    assert answer.problem == (404, "tree-not-found")
    elsewhere = tree.proxy.token("nowhere", tree.id, "write")
    answer = await tree.proxy.call("GET", "/client/v1/files/file", bearer=elsewhere)
    assert answer.problem == (404, "host-not-found")


@pytest.mark.parametrize("secret", [None, "wrong", ""])
async def test_manager_api_wants_the_shared_secret(proxy, disk, secret):
    tree = str(uuid.uuid4())
    for method, rest in (("PUT", ""), ("DELETE", ""), ("GET", "/mount")):
        target = f"/manager/v1/trees/local/{tree}{rest}"
        answer = await proxy.call(method, target, bearer=secret)
        assert answer.problem == (401, "unauthenticated")
    assert (await proxy.call("GET", "/manager/v1/hosts", bearer=secret)).status == 401
    assert not (disk / "trees" / tree).exists()


async def test_token_is_no_key_to_the_manager_api(tree):
    token = tree.proxy.token(tree.host, tree.id, "write")
    target = f"/manager/v1/trees/local/{tree.id}"
    answer = await tree.proxy.call("DELETE", target, bearer=token)
    assert answer.problem == (401, "unauthenticated")
    assert await tree.names() == []


async def test_token_that_was_good_ends_in_time(private_cluster, tree):
    bearer = tree.proxy.token(tree.host, tree.id, "read", seconds=600)
    assert (await tree.proxy.call("GET", "/client/v1/files", bearer=bearer)).status == 200
    async with lifecycle.injected(ClockJump("storage-proxy", 601), private_cluster):
        answer = await tree.proxy.call("GET", "/client/v1/files", bearer=bearer)
        assert answer.problem == (401, "token-expired")
