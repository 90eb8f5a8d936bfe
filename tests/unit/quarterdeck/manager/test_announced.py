"""Announcements under a prefix: a snapshot, then changes; what is not understood is left out."""

from quarterdeck.infra.etcd import KeyValue, Snapshot
from quarterdeck.infra.etcd_watch import Deleted
from quarterdeck.manager import announced
from quarterdeck.wire import decode
from quarterdeck.wire.nodes import ManagerRecord


def entry(name, value=None):
    record = ManagerRecord(id=name, instance="i", address="http://h")
    return KeyValue(f"/nodes/{name}", value or decode.encode(record), 1, 0)


async def followed(*changes):
    async def stream():
        for change in changes:
            yield change

    found = [records async for records in announced.follow(stream(), ManagerRecord)]
    return [[record.id for record in records] for records in found]


async def test_snapshot_and_changes_give_all_that_is_announced():
    changes = Snapshot(1, (entry("b"), entry("a"))), entry("c"), Deleted("/nodes/a")
    assert await followed(*changes) == [["a", "b"], ["a", "b", "c"], ["b", "c"]]


async def test_later_snapshot_replaces_what_was_known():
    assert await followed(Snapshot(1, (entry("a"),)), Snapshot(2, (entry("b"),))) == [["a"], ["b"]]


async def test_record_that_is_not_understood_is_left_out():
    assert await followed(Snapshot(1, (entry("a"), entry("b", b"{}")))) == [["a"]]
    assert await followed(Snapshot(1, (entry("a"),)), entry("a", b"no json")) == [["a"], []]
