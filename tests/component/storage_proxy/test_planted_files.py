"""Behaviour 35: what a kernel may plant in a tree (links, pipes, devices, sockets) leads nowhere, on any address, also while it changes."""

import asyncio
import contextlib
import io
import os
import socket
import tarfile
import threading

import pytest

from quarterdeck.testing import path_aims, raw
from quarterdeck.testing.path_attacks import Attack

SECRET = b"not yours"
SIGNS_ONLY = {("POST", "/client/v1/urls")}
ADDRESSES = [address for address in path_aims.PATHS if address not in SIGNS_ONLY]
CODES = {"path-refused", "path-taken", "is-a-directory", "not-a-directory"}
SECONDS_MAX = 10
ROUNDS = 30


@pytest.fixture
def outside(disk):
    """A directory beside the trees that nobody may see or change."""
    place = disk / "outside"
    place.mkdir()
    (place / "secret").write_bytes(SECRET)
    yield place
    assert {path.name: path.read_bytes() for path in place.iterdir()} == {"secret": SECRET}
    (place / "secret").unlink()
    place.rmdir()


@pytest.fixture
def files(tree, disk):
    return disk / "trees" / tree.id / "files"


@pytest.fixture
def planted(files, outside):
    """What a kernel can make in its mount, and more: paths that must lead nowhere."""
    (files / "harmless").write_bytes(b"mine")
    (files / "link").symlink_to(outside / "secret")
    (files / "relative").symlink_to("../../../outside/secret")
    (files / "directory").symlink_to(outside)
    (files / "up").symlink_to("..")
    (files / "process").symlink_to("/proc/self/root")
    os.mkfifo(files / "pipe")
    listener = socket.socket(socket.AF_UNIX)
    with contextlib.closing(listener), contextlib.chdir(files):
        listener.bind("socket")
    with contextlib.suppress(PermissionError):
        os.mknod(files / "device", 0o20666, os.makedev(1, 5))
    single = ["link", "relative", "directory", "up", "process", "pipe", "socket"]
    through = ["directory/secret", "up/files/link", "process/etc/passwd"]
    yield [*single, *through, *(["device"] if (files / "device").exists() else [])]
    for path in files.iterdir():
        path.unlink()


async def attempt(tree, address, path, content=b"mine"):
    """Give the answers to all requests that carry the path."""
    method, _ = address
    bearer = tree.proxy.token(tree.host, tree.id, "write")
    for where, headers, body in path_aims.PATHS[address](Attack(path, path)):
        given = content if method == "PUT" else body
        async with asyncio.timeout(SECONDS_MAX):
            answer = await tree.proxy.call(
                method, where, bearer=bearer, headers=headers, body=given
            )
        assert SECRET not in answer.body
        assert answer.status < 500, answer
        yield answer


@pytest.mark.parametrize("address", ADDRESSES, ids=lambda address: " ".join(address))
async def test_what_is_no_plain_file_is_refused(tree, planted, files, address):
    """Behaviour 35: links are not followed, pipes not waited for. Try each planted path on this address; all stays as it was."""
    before = {path.name: path.lstat().st_ino for path in files.iterdir()}
    for path in planted:
        async for answer in attempt(tree, address, path):
            assert answer.problem[1] in CODES, (path, answer)
    assert {path.name: path.lstat().st_ino for path in files.iterdir()} == before


async def test_archive_search_and_copy_take_no_link_along(tree, planted, files, outside):
    """Behaviour 35: what walks a tree follows nothing. Archive, search and copy a directory with links to a secret; clone the tree."""
    (files / "inner").mkdir()
    (files / "inner" / "link").symlink_to(outside / "secret")
    (files / "inner" / "all").symlink_to(outside)
    token = tree.proxy.token(tree.host, tree.id, "read")
    async with raw.bearer(f"http://127.0.0.1:{tree.proxy.port}", token) as http:
        archive = await http("GET", "/client/v1/archive?path=inner")
    assert SECRET not in archive.body
    with tarfile.open(fileobj=io.BytesIO(archive.body)) as content:
        assert [member.name for member in content if member.isfile()] == []
    found = await tree.call_client("GET", "/search?pattern=secret")
    assert found.json["items"] == []
    copied = await tree.call_client(
        "POST",
        "/copies",
        headers={"Content-Type": "application/json"},
        body=b'{"source": "inner", "target": "copy"}',
    )
    assert copied.status == 201
    assert {path.name: path.is_symlink() for path in (files / "copy").iterdir()} == {
        "link": True,
        "all": True,
    }
    assert (await tree.call("DELETE", "/copy")).status == 204
    assert (await tree.call("DELETE", "/inner")).status == 204


async def test_hard_link_is_written_through_by_nobody(tree, files, outside):
    """Behaviour 35: a second name of a file is only a name. Link to the secret from the tree; write, move, delete there."""
    os.link(outside / "secret", files / "name")
    assert (await tree.call("PUT", "/name", body=b"mine")).status == 200
    assert (outside / "secret").read_bytes() == SECRET
    os.link(outside / "secret", files / "other")
    assert (await tree.call("DELETE", "/other")).status == 204


@contextlib.contextmanager
def flipping(files, outside):
    """A directory that is a link to elsewhere every other moment."""
    (files / "flip").mkdir()
    (files / "flip" / "secret").write_bytes(b"mine")
    (files / "link").symlink_to(outside)
    stop = threading.Event()

    def flip():
        while not stop.is_set():
            with contextlib.suppress(OSError):
                (files / "flip").rename(files / "real")
                (files / "link").rename(files / "flip")
                (files / "flip").rename(files / "link")
                (files / "real").rename(files / "flip")

    thread = threading.Thread(target=flip)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@pytest.mark.parametrize("address", ADDRESSES, ids=lambda address: " ".join(address))
async def test_directory_that_becomes_a_link_meanwhile_leads_nowhere(
    tree, files, outside, address
):
    """Behaviour 35: no moment between looking and opening. A directory turns into a link and back all the time; nothing comes out or goes in."""
    with flipping(files, outside):
        for path in ["flip", "flip/secret"] * ROUNDS:
            async for answer in attempt(tree, address, path):
                assert SECRET not in answer.body
