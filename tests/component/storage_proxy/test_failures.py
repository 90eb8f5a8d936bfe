"""What a real storage-proxy leaves behind when the disk is full, when it is killed, and when etcd forgets it."""

import contextlib
import resource

from quarterdeck.testing.etcd_keys import EtcdKeys
from quarterdeck.testing.storage_client import Tree
from shakeout.waiting.until import until

KEY = "/quarterdeck/nodes/storage-proxy/storage-proxy"
TREE = "0195c0de-0000-7000-8000-000000000001"


@contextlib.contextmanager
def no_file_larger_than(pid, size):
    """What the process writes beyond this size is refused by the kernel, as on a full disk."""
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, before)


async def test_full_disk_is_told_and_leaves_the_old_file(tree, cluster, disk):
    await tree.call("PUT", "/file", body=b"old")
    pid = cluster.process("storage-proxy").pid
    # Room for the log, which the limit concerns, too.
    with no_file_larger_than(pid, cluster.log("storage-proxy").stat().st_size + 1_000_000):
        answer = await tree.call("PUT", "/file", body=b"x" * 3_000_000)
        assert answer.problem == (507, "storage-full")
        answer = await tree.call("PUT", "/deep/new", body=b"x" * 3_000_000)
        assert answer.problem == (507, "storage-full")
    assert (await tree.call("GET", "/file")).body == b"old"
    assert await tree.names() == ["file"]
    assert list((disk / "trees" / tree.id / "staging").iterdir()) == []
    assert (await tree.call("PUT", "/file", body=b"x" * 3_000_000)).status == 200


async def test_killed_storage_proxy_leaves_no_half_file(private_cluster, proxy, disk):
    tree = Tree(proxy, "local", TREE)
    await tree.create()
    bearer = proxy.token("local", TREE, "write")
    headers = {"Content-Length": "100000000"}
    async with proxy.connection(
        "PUT", "/client/v1/files/file", bearer=bearer, headers=headers
    ) as (_, writer):
        writer.write(b"x" * 20_000_000)
        await writer.drain()
        await private_cluster.kill("storage-proxy")
    files = [path for path in disk.rglob("*") if path.is_file()]
    assert files == []
    await private_cluster.start("storage-proxy")
    assert (await tree.call("PUT", "/file", body=b"whole")).status == 200


async def test_registration_that_was_lost_is_made_again(private_cluster, proxy):
    etcd = EtcdKeys(private_cluster.address("etcd"))
    with contextlib.closing(etcd):
        registered = etcd.get(KEY)
        await private_cluster.stop("etcd")

        async def health():
            return (await proxy.call("GET", "/health")).status

        await until(health, within=10, satisfied=lambda status: status == 503)
        await private_cluster.start("etcd")
        await until(health, within=10, satisfied=lambda status: status == 200)
    again = EtcdKeys(private_cluster.address("etcd"))
    with contextlib.closing(again):
        assert again.get(KEY) == registered
