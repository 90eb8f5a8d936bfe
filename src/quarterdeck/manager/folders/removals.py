"""Removes trees that lost their folder, or whose folder is PURGING: at once where the storage answers, else again and again, by a loop, until it does."""

import asyncio
import contextlib
import logging
from collections.abc import Sequence

from quarterdeck.base import tasks
from quarterdeck.base.errors import QuarterdeckError
from quarterdeck.manager.folders import model, ports
from quarterdeck.manager.folders.reach import Storages

REMOVALS_AT_ONCE_MAX = 8

_log = logging.getLogger(__name__)


class TreeRemoval:
    """Removes trees and forgets them afterwards. `wake` is for the loop that calls `run`."""

    def __init__(self, removals: ports.Removals, storages: Storages) -> None:
        self._removals = removals
        self._storages = storages
        self.wake = tasks.Wake()

    def soon(self) -> None:
        """Let the loop try all trees that are due, now."""
        self.wake.set()

    async def run(self) -> None:
        """Try all trees that are due."""
        await self.attempt(await self._removals.due())

    async def attempt(self, trees: Sequence[model.Tree]) -> None:
        """Try to remove trees, some at a time. What does not succeed, for whatever reason, is due again: this does not fail."""
        places = asyncio.Semaphore(REMOVALS_AT_ONCE_MAX)
        async with asyncio.TaskGroup() as group:
            for tree in trees:
                group.create_task(self._attempt(tree, places))

    async def _attempt(self, tree: model.Tree, places: asyncio.Semaphore) -> None:
        async with places:
            try:
                await self._storages.remove(tree)
                await self._removals.done(tree)
            except (TimeoutError, QuarterdeckError) as error:
                _log.warning(
                    "tree-removal-failed",
                    extra={"tree": tree.id, "host": tree.host, "error": repr(error)},
                )
                with contextlib.suppress(TimeoutError, QuarterdeckError):  # it is due as it was
                    await self._removals.postpone(tree, str(error) or "the storage took too long")
