"""Following the keys under a prefix: a snapshot first, then each change; nothing is missed across reconnects, compactions and a store that was set back."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from typing import Any

from quarterdeck.base import tasks
from quarterdeck.infra.errors import EtcdUnavailable
from quarterdeck.infra.etcd import Etcd, KeyValue, Snapshot, key_value, span, store_revision

SILENCE_SECONDS_MAX = 15.0
"""A watch that says nothing for so long is opened again, in case its connection is half dead."""

ANSWER_SECONDS_MAX = 5.0


@dataclass(frozen=True)
class Deleted:
    """A key is gone: deleted, or its lease ended."""

    key: str


Change = Snapshot | KeyValue | Deleted
"""All keys anew (replace what you know), a key written, a key gone."""


class _Elsewhere(Exception):
    """The revision to go on from is no longer kept, or was never: the store was emptied or set back."""


async def watch(etcd: Etcd, prefix: str) -> AsyncGenerator[Change, None]:
    """Give a `Snapshot`, then changes in order, for ever. After a compaction, or when the store was set back, another `Snapshot` comes.

    Outages are waited out.
    """
    revision = None
    outage = tasks.Outage("watch", pause_seconds_max=tasks.RECONNECT_SECONDS_MAX, prefix=prefix)
    while True:
        try:
            if revision is None:
                snapshot = await _snapshot(etcd, prefix)
                revision = snapshot.revision
                yield snapshot
            async for at, change in _changes(etcd, prefix, revision + 1, outage):
                revision = at
                yield change
        except _Elsewhere:
            revision = None
        except (EtcdUnavailable, TimeoutError) as error:
            await outage.failed(error)


async def _snapshot(etcd: Etcd, prefix: str) -> Snapshot:
    async with asyncio.timeout(ANSWER_SECONDS_MAX):
        return await etcd.range(prefix)


async def _changes(
    etcd: Etcd, prefix: str, start: int, outage: tasks.Outage
) -> AsyncIterator[tuple[int, KeyValue | Deleted]]:
    """Give the changes of one watch with their revisions, from a revision on. Ends after a silence."""
    request = {"create_request": {**span(prefix), "start_revision": str(start)}}
    async with etcd.stream("watch", request) as messages:
        while (result := await _next(messages)) is not None:
            if result.get("canceled") or _is_behind(result, start):
                raise _Elsewhere
            outage.over()
            for event in result.get("events", ()):
                yield _change(event)


def _is_behind(result: dict[str, Any], start: int) -> bool:
    """Tell whether a watch began in a store that has not come as far as what was seen already."""
    return bool(result.get("created")) and store_revision(result) < start - 1


async def _next(messages: AsyncIterator[dict[str, Any]]) -> dict[str, Any] | None:
    try:
        async with asyncio.timeout(SILENCE_SECONDS_MAX):
            message = await anext(messages)
    except TimeoutError:
        return None
    except StopAsyncIteration:
        raise EtcdUnavailable("etcd ended the watch") from None
    result: dict[str, Any] = message.get("result", {})
    return result


def _change(event: dict[str, Any]) -> tuple[int, KeyValue | Deleted]:
    found = key_value(event["kv"])
    return found.revision, Deleted(found.key) if event.get("type") == "DELETE" else found
