"""Copies of objects in a bucket, some at once: each is of one version, and if one fails none of ours stays. For `s3_arranging`."""

import asyncio
import contextlib
import secrets
from collections.abc import Sequence

from quarterdeck.base.errors import QuarterdeckError
from quarterdeck.infra.errors import ObjectExists, ObjectStoreUnavailable
from quarterdeck.infra.object_store import Object, ObjectStore
from quarterdeck.storage_proxy import errors

_AT_ONCE = 8
_ATTEMPTS_MAX = 3


class Copies:
    """Copies of what begins alike, to keys that begin in another way."""

    def __init__(self, store: ObjectStore, start: str, new_start: str, *, replace: bool) -> None:
        """`replace`: whatever has the new keys is ours, and may be another attempt's: nothing of it is removed."""
        self._store = store
        self._start = start
        self._new_start = new_start
        self._mark = None if replace else secrets.token_hex(16)
        self._begun: list[str] = []

    async def make(self, taken: Sequence[Object]) -> Sequence[Object]:
        """Copy objects and return what was copied, in the versions that were. Raises `FileBusy`, `PathTaken`."""
        copied: list[Object] = []
        try:
            for at in range(0, len(taken), _AT_ONCE):
                copied += await self._some(taken[at : at + _AT_ONCE])
        except BaseException:
            await self.remove()
            raise
        return copied

    async def remove(self) -> None:
        """Remove the copies: what bears our mark, whether or not we heard that it was made, and nothing else."""
        if self._mark is None:
            return
        with contextlib.suppress(ObjectStoreUnavailable):
            for place in self._begun:
                there = await self._store.head(place)
                if there is not None and there.mark == self._mark:
                    await self._store.delete_version(there)

    def place(self, item: Object) -> str:
        """Return the new key of an object."""
        return self._new_start + item.key.removeprefix(self._start)

    async def _some(self, taken: Sequence[Object]) -> Sequence[Object]:
        """Copy objects at once. All have ended before a failure is told: what the store was asked for may come until then."""
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._tried(item)) for item in taken]
        results = [task.result() for task in tasks]
        for result in results:
            if isinstance(result, QuarterdeckError):
                raise result
        return [result for result in results if isinstance(result, Object)]

    async def _tried(self, item: Object) -> Object | QuarterdeckError | None:
        try:
            return await self._one(item)
        except (errors.StorageError, ObjectStoreUnavailable) as error:
            return error

    async def _one(self, item: Object) -> Object | None:
        """Copy an object as it is now, and return its version; None if it went meanwhile."""
        found: Object | None = item
        for _ in range(_ATTEMPTS_MAX):
            if found is None or await self._is_copied(found):
                return found
            found = await self._store.head(item.key)
        raise errors.FileBusy(field="source")

    async def _is_copied(self, item: Object) -> bool:
        place = self.place(item)
        self._begun.append(place)
        try:
            return await self._store.copy(item, place, mark=self._mark)
        except ObjectExists:
            raise errors.PathTaken(field="target") from None
