"""Manager and storage-proxy: a folder is a row and a tree, both or neither."""

import pytest

from quarterdeck.client.errors import Refused
from quarterdeck.testing import system
from quarterdeck.testing.raw import bearer
from shakeout.waiting.until import until

TREE = "/manager/v1/trees/local/0198c0de-0000-7000-8000-000000000002"


async def test_folder_is_a_row_and_a_tree_and_then_neither(user, observe):
    """Creating makes both, deleting removes both. Look at the table and at the disk."""
    folder = await user.folders.create("both")
    assert observe.value("SELECT status FROM folders WHERE id = %s", folder.id) == "READY"
    assert folder.id in observe.trees()
    await folder.delete()
    assert observe.rows("SELECT * FROM folders WHERE id = %s", folder.id) == []
    await until(observe.trees, within=5, satisfied=lambda trees: folder.id not in trees)


async def test_storage_proxy_refuses_who_does_not_know_the_secret(cluster, observe):
    """The manager API wants the shared secret. Try none, a wrong one and a client's kind; no tree is made."""
    before = observe.trees()
    url = cluster.address("storage-proxy.http")
    for secret in ("", "wrong", system.keys.token, system.keys.storage[:-1]):
        async with bearer(url, secret) as send:
            for method in ("PUT", "DELETE"):
                answer = await send(method, TREE)
                assert (answer.status, answer.code) == (401, "unauthenticated"), secret
    assert observe.trees() == before


async def test_dead_storage_proxy_leaves_no_orphan_row(private_cluster, user, observe):
    """A folder that could not be made does not exist. Kill the storage-proxy, create, look; start it, create again."""
    await private_cluster.kill("storage-proxy")
    with pytest.raises(Refused) as refusal:
        await user.folders.create("data")
    assert refusal.value.status in {502, 503}
    assert refusal.value.code in {"storage-unreachable", "unavailable"}
    assert observe.rows("SELECT * FROM folders WHERE owner_id = %s", user.id) == []
    await private_cluster.start("storage-proxy")
    folder = await until(
        lambda: user.folders.create("data"),
        within=10,
        satisfied=bool,
        retry_on=(Refused,),
        describe="a folder is made",
    )
    assert list(observe.trees()) == [folder.id]


async def test_unknown_storage_host_is_refused_by_name(user, observe):
    """A host that nobody serves is the caller's mistake. The answer names the field; no row stays."""
    with pytest.raises(Refused) as refusal:
        await user.folders.create("data", host="moon")
    assert (refusal.value.status, refusal.value.code, refusal.value.field) == (
        404,
        "host-not-found",
        "host",
    )
    assert observe.rows("SELECT * FROM folders WHERE owner_id = %s", user.id) == []
