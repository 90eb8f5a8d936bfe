"""Quotas: a scope (a user's folders together) holds what it may and not a byte more; what is deleted is free at once."""

import asyncio
import contextlib
import json

import aiohttp
import pytest

from quarterdeck.client.errors import Refused
from quarterdeck.testing import layout, system
from quarterdeck.testing.raw import bearer, files
from quarterdeck.testing.scopes import Scope
from shakeout.waiting.until import until

MIB = 1024 * 1024
COUNTED_SECONDS_MAX = 15


@pytest.fixture
def scope(user, platform):
    """The quota scope of the user's folders on the local host: sets limits, reads usage."""
    return Scope(platform.address("storage-proxy.http"), user.id)


def held(observe, *folders):
    """Bytes and files of folders, as the disk has them."""
    content = [data for folder in folders for data in observe.content(folder.id).values()]
    return sum(map(len, content)), len(content)


async def refused(attempt):
    with pytest.raises(Refused) as refusal:
        await attempt
    assert (refusal.value.status, refusal.value.code) == (507, "quota-exceeded")


async def test_full_quota_refuses_removes_and_frees(user, observe, scope, tmp_path, rng):
    """Behaviour 36: over the quota is 507, nothing stays, delete frees. Fill two folders; upload a byte too much, whole and in pieces."""
    (tmp_path / "file").write_bytes(rng.randbytes(3 * MIB))
    (tmp_path / "byte").write_bytes(b"x")
    (tmp_path / "large").write_bytes(rng.randbytes(24 * MIB))
    first, second = await user.folders.create("first"), await user.folders.create("second")
    await scope.limit(6 * MIB)
    await first.upload(tmp_path / "file")
    await second.upload(tmp_path / "file")
    for folder in (first, second):
        await refused(folder.upload(tmp_path / "byte"))
        await refused(folder.upload(tmp_path / "large"))
    assert held(observe, first, second) == await scope.used() == (6 * MIB, 2)
    assert observe.unfinished() == []
    await second.remove("file")
    await first.upload(tmp_path / "byte")
    assert held(observe, first, second) == await scope.used() == (3 * MIB + 1, 2)
    await first.delete()
    await second.upload(tmp_path / "file")
    assert held(observe, second) == await scope.used() == (3 * MIB, 1)


async def test_upload_of_unknown_length_ends_at_the_limit(user, observe, scope):
    """Behaviour 36: enforced while writing. Send without telling the length; the answer comes in the middle, nothing is left."""
    folder = await user.folders.create("endless")
    await scope.limit(2 * MIB)
    sent: list[int] = []

    async def endless():
        while len(sent) < 1000:
            sent.append(1)
            yield bytes(256 * 1024)

    async with files(await folder.grant("write")) as http:
        answer = None
        with contextlib.suppress(ConnectionError):
            answer = await http("PUT", "endless.bin", data=endless())
        assert answer is None or (answer.status, answer.code) == (507, "quota-exceeded")
    assert len(sent) < 200
    assert observe.content(folder.id) == {}
    await until(observe.unfinished, within=5, satisfied=lambda left: left == [])
    assert await scope.used() == (0, 0)


async def test_limit_of_files_and_directories(user, observe, scope, tmp_path):
    """Behaviour 36: inodes count, too. Allow three; directories take part, every way in is refused, deletion frees."""
    (tmp_path / "file").write_bytes(b"x")
    folder = await user.folders.create("many")
    await scope.limit(inodes=3)
    await folder.upload(tmp_path / "file", "a/b/file")
    await refused(folder.upload(tmp_path / "file", "more"))
    await refused(folder.mkdir("more"))
    await refused(folder.copy("a/b/file", "more"))
    assert observe.content(folder.id) == {"a/b/file": b"x"}
    await folder.remove("a/b/file")
    await folder.mkdir("more")
    assert await scope.used() == (0, 3)


async def test_one_users_quota_is_not_anothers(user, other_user, observe, scope, tmp_path):
    """Scopes are apart. One user has used all; another uploads."""
    (tmp_path / "file").write_bytes(bytes(1000))
    mine, other = await user.folders.create("mine"), await other_user.folders.create("other")
    await scope.limit(0)
    await refused(mine.upload(tmp_path / "file"))
    await other.upload(tmp_path / "file")
    assert held(observe, other) == (1000, 1)


async def test_what_a_kernel_writes_counts(user, observe, scope, tmp_path):
    """Files of kernels count some seconds later. Write into a mounted folder; then nothing more is taken in until the kernel deletes it."""
    (tmp_path / "file").write_bytes(bytes(1000))
    folder = await user.folders.create("mounted")
    await scope.limit(MIB)
    session = await user.sessions.create(mounts={"data": folder})
    await session.reaches("RUNNING", within=10)
    await session.execute("open('data/result', 'wb').write(bytes(1024 * 1024))")
    await until(scope.used, within=COUNTED_SECONDS_MAX, satisfied=lambda used: used == (MIB, 1))
    await refused(folder.upload(tmp_path / "file"))
    assert observe.content(folder.id) == {"result": bytes(MIB)}
    await session.execute("import os; os.remove('data/result')")
    await until(scope.used, within=COUNTED_SECONDS_MAX, satisfied=lambda used: used == (0, 0))
    await folder.upload(tmp_path / "file")


async def test_killed_storage_proxy_counts_what_is_there(
    private_cluster, user, observe, scope, tmp_path
):
    """Behaviour 36: exact after a crash. SIGKILL the storage-proxy in the middle of an upload; the count is the disk's, all the rest is free."""
    (tmp_path / "file").write_bytes(bytes(MIB))
    folder = await user.folders.create("crash")
    await scope.limit(4 * MIB)
    await folder.upload(tmp_path / "file", "kept")
    volume = private_cluster.place("storage-proxy").directory / layout.TREES_DIRECTORY
    grant = await folder.grant("write")

    async def half():
        yield bytes(2 * MIB)
        await asyncio.Event().wait()

    async def upload():
        async with files(grant) as http:
            with pytest.raises(aiohttp.ClientError):
                await http("PUT", "lost", data=half(), headers={"Content-Length": str(3 * MIB)})

    def reserved():
        return list(volume.glob(f"scopes/{user.id}/pending/*"))

    async with asyncio.TaskGroup() as group:
        group.create_task(upload())
        await until(reserved, within=10, satisfied=bool)
        await private_cluster.kill("storage-proxy")
    await private_cluster.start("storage-proxy")
    assert await scope.used() == held(observe, folder) == (MIB, 1)
    for name in ("a", "b", "c"):
        await folder.upload(tmp_path / "file", name)
    await refused(folder.upload(tmp_path / "file", "d"))
    assert await scope.used() == held(observe, folder) == (4 * MIB, 4)


async def test_host_without_quotas_says_so(platform, user, admin):
    """A volume declares its abilities. Set a limit on the S3 host, at the storage-proxy and as an administrator; it is refused with a code, and
    the host's view says why.
    """
    for attempt in (
        admin.folders.limit(user.id, "archive", size=1),
        user.folders.quota(user.id, "archive"),
    ):
        with pytest.raises(Refused) as refusal:
            await attempt
        assert (refusal.value.status, refusal.value.code) == (409, "quota-unsupported")
    async with bearer(platform.address("storage-proxy.http"), system.keys.storage) as send:
        answer = await send(
            "PUT",
            "/manager/v1/scopes/archive/somebody",
            data=b'{"bytes": 1, "inodes": 1}',
            headers={"Content-Type": "application/json"},
        )
        assert (answer.status, answer.code) == (409, "quota-unsupported")
        hosts = json.loads((await send("GET", "/manager/v1/hosts")).body)["items"]
    assert {host["name"]: "quota" in host["abilities"] for host in hosts} == {
        "archive": False,
        "local": True,
    }
