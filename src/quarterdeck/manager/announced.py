"""Follows what components announce under a prefix in etcd: each change gives all that is announced then, in order of keys."""

import logging
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import TypeVar

from quarterdeck.infra import etcd, etcd_watch
from quarterdeck.wire import decode
from quarterdeck.wire.errors import Invalid

_log = logging.getLogger(__name__)
_T = TypeVar("_T")


async def follow(
    changes: AsyncIterator[etcd_watch.Change], type_: type[_T]
) -> AsyncIterator[Sequence[_T]]:
    """Give the records after each change. One that is not understood is logged and left out."""
    records: dict[str, _T] = {}
    async for change in changes:
        match change:
            case etcd.Snapshot(items=items):
                records = {item.key: record for item in items if (record := _read(item, type_))}
            case etcd.KeyValue(key=key):
                records.pop(key, None)
                if record := _read(change, type_):
                    records[key] = record
            case etcd_watch.Deleted(key=key):
                records.pop(key, None)
        yield [records[key] for key in sorted(records)]


def read(items: Iterable[etcd.KeyValue], type_: type[_T]) -> Sequence[_T]:
    """Return the records of some keys."""
    return [record for item in items if (record := _read(item, type_))]


def _read(item: etcd.KeyValue, type_: type[_T]) -> _T | None:
    try:
        return decode.decode(type_, item.value)
    except Invalid as error:
        _log.warning("announcement-not-understood", extra={"key": item.key, "error": str(error)})
        return None
