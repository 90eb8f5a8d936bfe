"""Tokens on every operation of the client API: what they do not allow is neither read nor written, and nothing tells what is there."""

from datetime import timedelta

from quarterdeck.base.clock import SystemClock
from quarterdeck.testing import system
from quarterdeck.testing.pieces import PIECE, UPLOADS, VERSION, metadata, of_grant
from quarterdeck.testing.storage_client import Proxy
from quarterdeck.wire import tokens

SECRET = b"kept from everybody else"


def proxy_of(grant):
    """The storage-proxy of a grant, with the key that the platform signs with."""
    return Proxy(int(grant.url.rpartition(":")[2]), system.keys.token, "")


def operations(upload):
    """Every operation on files: method, address, headers, body."""
    begin = {**VERSION, "Upload-Length": "3", **metadata(path="new")}
    piece = {**PIECE, "Upload-Offset": "0"}
    asked = {"Content-Type": "application/json"}
    return (
        ("GET", "/client/v1/files", {}, None),
        ("GET", "/client/v1/files/secret", {}, None),
        ("HEAD", "/client/v1/files/secret", {}, None),
        ("GET", "/client/v1/files/secret", {"Range": "bytes=0-3"}, None),
        ("GET", "/client/v1/archive?format=zip", {}, None),
        ("GET", "/client/v1/checksum?path=secret", {}, None),
        ("PUT", "/client/v1/files/secret", {}, b"mine"),
        ("DELETE", "/client/v1/files/secret", {}, None),
        ("POST", "/client/v1/urls", asked, b'{"method": "GET", "path": "secret"}'),
        ("GET", UPLOADS, {}, None),
        ("POST", UPLOADS, begin, b""),
        ("HEAD", upload, VERSION, None),
        ("PATCH", upload, piece, b"abc"),
        ("DELETE", upload, VERSION, None),
    )


def wrong_tokens(grant):
    """Tokens that are not good any more or never were: expired, tampered with, signed by somebody else, none."""
    good = tokens.verify(grant.token, system.keys.token, SystemClock().now())
    late = SystemClock().now() - timedelta(seconds=1)
    expired = tokens.StorageToken(
        host=good.host, tree=good.tree, right=good.right, exp=int(late.timestamp())
    )
    head, payload, signature = grant.token.split(".")
    return {
        "expired": tokens.sign(expired, system.keys.token),
        "other key": tokens.sign(good, "another key, as long as the platform's own"),
        "other signature": f"{head}.{payload}.{signature[:-4]}AAAA",
        "no signature": f"{head}.{payload}.",
        "other algorithm": f"eyJhbGciOiJub25lIn0.{payload}.",
        "none": None,
    }


async def folder_with_secret(user, name, tmp_path):
    """A folder with one file and one upload under way."""
    (tmp_path / "secret").write_bytes(SECRET)
    folder = await user.folders.create(name)
    await folder.upload(tmp_path / "secret")
    pieces = of_grant(await folder.grant("write"))
    return folder, await pieces.begin(3, path="upload")


async def test_token_that_is_not_good_reads_and_writes_nothing(user, observe, tmp_path):
    """Behaviour 33: expired, tampered and forged tokens get 401. Try each on every operation; compare disk before and after."""
    folder, upload = await folder_with_secret(user, "guarded", tmp_path)
    grant = await folder.grant("write")
    proxy = proxy_of(grant)
    for what, token in wrong_tokens(grant).items():
        for method, target, headers, body in operations(upload):
            answer = await proxy.call(method, target, bearer=token, headers=headers, body=body)
            assert answer.status == 401, (what, method, target, answer)
            assert SECRET[:4] not in answer.body
    assert observe.content(folder.id) == {"secret": SECRET}
    assert [path.stat().st_size for path in observe.unfinished()] == [0]


async def test_token_of_another_folder_reads_and_writes_nothing(
    user, other_user, observe, tmp_path
):
    """Behaviour 33: a token opens its own folder. Use another user's token for the same names and upload; nothing of the first is touched."""
    folder, upload = await folder_with_secret(user, "mine", tmp_path)
    other = await other_user.folders.create("theirs")
    grant = await other.grant("write")
    proxy = proxy_of(grant)
    for method, target, headers, body in operations(upload):
        answer = await proxy.call(method, target, bearer=grant.token, headers=headers, body=body)
        if target == upload:
            assert answer.status == 404, (method, answer)
        assert SECRET[:4] not in answer.body
        assert b"secret" not in answer.body or method in {"PUT", "POST"}
    assert observe.content(folder.id) == {"secret": SECRET}
    assert observe.content(other.id) == {}


async def test_token_to_read_writes_nothing(user, observe, tmp_path):
    """Behaviour 33: a right is a right. Try every operation that writes with a token to read; 403 each time, nothing changes."""
    folder, upload = await folder_with_secret(user, "readable", tmp_path)
    grant = await folder.grant("read")
    proxy = proxy_of(grant)
    for method, target, headers, body in operations(upload):
        if method in {"PUT", "DELETE", "PATCH"} or UPLOADS in target:
            answer = await proxy.call(
                method, target, bearer=grant.token, headers=headers, body=body
            )
            assert answer.status == 403, (method, target, answer)
    assert observe.content(folder.id) == {"secret": SECRET}


async def test_url_opens_one_file_for_one_method_for_a_while(user, observe, tmp_path):
    """Behaviour 33: a URL with its own token is no more than that. Read, then try other files, methods, and a tampered token."""
    folder, _ = await folder_with_secret(user, "urls", tmp_path)
    grant = await folder.grant("write")
    proxy = proxy_of(grant)
    asked = await proxy.call(
        "POST",
        "/client/v1/urls",
        bearer=grant.token,
        headers={"Content-Type": "application/json"},
        body=b'{"method": "GET", "path": "secret", "seconds": 60}',
    )
    target = asked.json["target"]
    assert (await proxy.call("GET", target)).body == SECRET
    for method, wrong in (
        ("PUT", target),
        ("DELETE", target),
        ("GET", target.replace("secret", "other")),
        ("GET", target[:-4] + "AAAA"),
        ("GET", target.partition("?")[0]),
    ):
        answer = await proxy.call(method, wrong, body=b"x" if method == "PUT" else None)
        assert answer.status in {400, 401, 403}, (method, wrong, answer)
    assert observe.content(folder.id) == {"secret": SECRET}
