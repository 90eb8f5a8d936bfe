"""Behaviour 35 on the whole platform: a user with a good grant, both kinds of hosts, every address; the disk and the bucket are looked at."""

import asyncio

import pytest

from quarterdeck.testing import path_aims, path_attacks, raw
from quarterdeck.testing.path_attacks import Attack

SECONDS_MAX = 10
REFUSED = {"path-refused", "path-too-long", "invalid-field", "uploads-unsupported"}
NO_FILE = {"path-refused", "path-taken", "is-a-directory", "not-a-directory"}
ADDRESSES = [each for each in path_aims.PATHS if each != ("POST", "/client/v1/urls")]
PLANTED = """
import os, socket
os.symlink({secret!r}, "data/link")
os.symlink({directory!r}, "data/directory")
os.symlink("../../..", "data/up")
os.symlink("/proc/self/root", "data/root")
os.mkfifo("data/pipe")
socket.socket(socket.AF_UNIX).bind("data/socket")
"""


async def answers(grant, attack, method, aims):
    """What comes back from each request that carries the attack."""
    async with raw.bearer(grant.url, grant.token) as http:
        for where, headers, body in aims(attack):
            data = b"mine" if method == "PUT" else body or None
            async with asyncio.timeout(SECONDS_MAX):
                yield await http(method, where, headers=headers, data=data)


@pytest.mark.parametrize("host", ["local", pytest.param("archive", marks=pytest.mark.needs("s3"))])
async def test_no_path_leaves_a_folder(user, cluster, observe, host):
    """Behaviour 35: `..`, absolute, encoded, NUL, overlong, look-alikes. Every attack on every address; volume and bucket stay as they are."""
    folder = await user.folders.create("jail", host=host)
    grant = await folder.grant("write")
    volume = cluster.place("storage-proxy").directory

    def world():
        here = {str(path) for path in volume.rglob("*") if path.name != "log"}
        return here, observe.objects() if host == "archive" else {}

    before = world()
    for (method, _), aims in path_aims.PATHS.items():
        for attack in path_attacks.PATHS:
            async for answer in answers(grant, attack, method, aims):
                assert answer.code in REFUSED, (method, attack.name, answer)
    assert world() == before


async def test_what_a_kernel_plants_leads_nowhere(user, observe, tmp_path):
    """Behaviour 35: links out, through /proc and upwards, pipes and sockets, made by a kernel in its mount. Every address; nothing comes out."""
    (tmp_path / "secret").write_text("not yours")
    (tmp_path / "mine").write_text("mine")
    folder = await user.folders.create("planted")
    session = await user.sessions.create(mounts={"data": folder})
    await session.reaches("RUNNING", within=10)
    made = await session.execute(
        PLANTED.format(secret=str(tmp_path / "secret"), directory=str(tmp_path))
    )
    assert made.error is None
    await folder.upload(tmp_path / "mine", "harmless")
    grant = await folder.grant("write")
    top = observe.trees()[folder.id]
    before = {path.name: path.lstat().st_ino for path in top.iterdir()}
    planted = [*(before.keys() - {"harmless"}), "directory/secret", "up/secret", "root/etc/passwd"]
    for method, address in ADDRESSES:
        for path in planted:
            attack = Attack(path, path)
            aims = path_aims.PATHS[method, address]
            async for answer in answers(grant, attack, method, aims):
                assert answer.code in NO_FILE, (method, address, path, answer)
                assert b"not yours" not in answer.body
    assert {path.name: path.lstat().st_ino for path in top.iterdir()} == before
    assert {path.name: path.read_text() for path in tmp_path.iterdir() if path.is_file()} == {
        "secret": "not yours",
        "mine": "mine",
    }
