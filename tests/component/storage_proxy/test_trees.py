"""The manager API of a real storage-proxy, its hosts, its registration in etcd, and the S3 host behind the same API."""

import hashlib
import json
import uuid

import pytest

from quarterdeck.testing.etcd_keys import EtcdKeys
from quarterdeck.testing.storage_client import Tree


async def test_tree_is_made_once_and_removed_once(proxy, disk):
    tree = Tree(proxy, "local", str(uuid.uuid4()))
    assert (await tree.create()).status == 204
    await tree.call("PUT", "/kept", body=b"x")
    assert (await tree.create()).status == 204
    assert await tree.names() == ["kept"]
    mounted = (await tree.manager("GET", "/mount")).json["path"]
    assert mounted == str(disk / "trees" / tree.id / "files")
    assert (await tree.delete()).status == 204
    assert (await tree.delete()).status == 204
    assert list((disk / "trees").iterdir()) == list((disk / "removed").iterdir()) == []
    assert (await tree.manager("GET", "/mount")).problem == (404, "tree-not-found")


@pytest.mark.parametrize("tree", ["..", "x", "%2e%2e", "0195C0DE-0000-7000-8000-000000000001"])
async def test_tree_that_is_no_uuid_is_refused(proxy, tree):
    target = f"/manager/v1/trees/local/{tree}"
    answer = await proxy.call("PUT", target, bearer=proxy.secret)
    assert answer.status in {400, 404}
    assert answer.problem[1] in {"invalid-field", "route-not-found"}


async def test_unknown_host_is_not_found(proxy):
    assert (await Tree(proxy, "nowhere", str(uuid.uuid4())).create()).problem == (
        404,
        "host-not-found",
    )


async def test_hosts(proxy):
    answer = await proxy.call("GET", "/manager/v1/hosts", bearer=proxy.secret)
    assert answer.json["items"] == [
        {"name": "archive", "kind": "s3", "mountable": False, "abilities": ["resume"]},
        {
            "name": "local",
            "kind": "local",
            "mountable": True,
            "abilities": ["atomic", "mount", "quota", "resume"],
        },
    ]


async def test_registration_in_etcd_has_a_lease(cluster):
    etcd = EtcdKeys(cluster.address("etcd"))
    try:
        key = "/quarterdeck/nodes/storage-proxy/storage-proxy"
        assert json.loads(etcd.get(key) or b"null") == {
            "id": "storage-proxy",
            "client_url": cluster.address("storage-proxy.http"),
            "manager_url": cluster.address("storage-proxy.http"),
            "hosts": ["archive", "local"],
        }
        assert 0 < (etcd.lease_of(key) or 0) <= 5
    finally:
        etcd.close()


@pytest.mark.needs("s3")
async def test_archive_keeps_files_in_the_bucket(proxy, cluster):
    tree = Tree(proxy, "archive", str(uuid.uuid4()))
    content = bytes(range(256)) * 4096 * 10
    assert (await tree.create()).status == 204
    answer = await tree.call("PUT", "/data/large.bin", body=content)
    assert answer.json["sha256"] == hashlib.sha256(content).hexdigest()
    bucket = cluster.place("s3").directory / "buckets" / "qd-archive"
    assert (bucket / "files" / tree.id / "data" / "large.bin").read_bytes() == content
    answer = await tree.call("GET", "/data/large.bin", headers={"Range": "bytes=1000000-1999999"})
    assert (answer.status, answer.body) == (206, content[1000000:2000000])
    assert await tree.names() == ["data", "data/large.bin"]
    assert (await tree.manager("GET", "/mount")).problem == (409, "host-not-mountable")
    assert (await tree.delete()).status == 204
    assert [path for path in bucket.rglob("*") if path.is_file()] == []


@pytest.mark.needs("s3")
async def test_wrong_checksum_leaves_nothing_in_the_bucket(proxy, cluster):
    tree = Tree(proxy, "archive", str(uuid.uuid4()))
    await tree.create()
    for size in (10, 20_000_000):
        headers = {"X-Content-SHA256": "0" * 64}
        answer = await tree.call("PUT", "/file", headers=headers, body=b"x" * size)
        assert answer.problem == (422, "checksum-mismatch")
    assert await tree.names() == []
    await tree.delete()


async def test_health(proxy):
    answer = await proxy.call("GET", "/health")
    assert answer.status == 200
    assert (answer.json["status"], answer.json["component"]) == ("ok", "storage-proxy")
