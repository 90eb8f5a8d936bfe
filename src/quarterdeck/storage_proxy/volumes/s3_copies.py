"""Copies of objects in a bucket, some at once: each is of one version, and if one fails none stays. For `s3_arranging`."""

import asyncio
import contextlib
from collections.abc import Sequence

from quarterdeck.infra.errors import ObjectExists, ObjectStoreUnavailable
from quarterdeck.infra.object_store import Object, ObjectStore
from quarterdeck.storage_proxy import errors

_AT_ONCE = 8
_ATTEMPTS_MAX = 3


class Copies:
    """Copies of what begins alike, to keys that begin in another way."""

    def __init__(self, store: ObjectStore, start: str, new_start: str, *, replace: bool) -> None:
        """`replace`: whatever has the new keys is ours."""
        self._store = store
        self._start = start
        self._new_start = new_start
        self._replace = replace
        self._begun: set[str] = set()

    async def make(self, taken: Sequence[Object]) -> Sequence[Object]:
        """Copy objects and return what was copied, in the versions that were. Raises `FileBusy`, `PathTaken`."""
        copied: list[Object] = []
        try:
            for at in range(0, len(taken), _AT_ONCE):
                copied += await self._some(taken[at : at + _AT_ONCE])
        except BaseException:
            with contextlib.suppress(ObjectStoreUnavailable):
                for place in self._begun:
                    await self._store.delete(place)
            raise
        return copied

    async def _some(self, taken: Sequence[Object]) -> Sequence[Object]:
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._one(item)) for item in taken]
        except* (errors.StorageError, ObjectStoreUnavailable) as failed:
            raise failed.exceptions[0] from None
        return [found for task in tasks if (found := task.result()) is not None]

    async def _one(self, item: Object) -> Object | None:
        """Copy an object as it is now, and return its version; None if it went meanwhile."""
        found: Object | None = item
        for _ in range(_ATTEMPTS_MAX):
            if found is None or await self._is_copied(found):
                return found
            found = await self._store.head(item.key)
        raise errors.FileBusy(field="source")

    async def _is_copied(self, item: Object) -> bool:
        place = self._new_start + item.key.removeprefix(self._start)
        self._begun.add(place)
        try:
            return await self._store.copy(item, place, replace=self._replace)
        except ObjectExists:
            self._begun.remove(place)
            raise errors.PathTaken(field="target") from None
