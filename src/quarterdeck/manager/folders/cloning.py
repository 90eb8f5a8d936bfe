"""Copies of folders: asked for here, made by loops, so that a manager that dies delays a copy only. The source is CLONING meanwhile.

A copy that the storage does not make is given up: its folder is gone, the source is READY again.
"""

import asyncio
import logging
from collections import OrderedDict

from quarterdeck.base import ids, tasks
from quarterdeck.base.clock import Clock
from quarterdeck.base.errors import QuarterdeckError
from quarterdeck.manager.folders import errors, model, ports
from quarterdeck.manager.folders.gate import Gate
from quarterdeck.manager.folders.reach import Storages
from quarterdeck.manager.identity.model import Principal
from quarterdeck.wire import folders
from quarterdeck.wire.folders import FolderStatus, HostPermission, Permission

ANSWER_SECONDS_MAX = 20.0
"""How long who asks for a copy waits for it; then it goes on without them."""
HOLD_SECONDS = 5.0
LOOK_SECONDS = 1.0
FAILURES_MAX = 1000

_log = logging.getLogger(__name__)


class Cloning:
    """The use case, and the work of the loops that call `run` when `wake` rings."""

    def __init__(
        self, clones: ports.Clones, gate: Gate, storages: Storages, *, clock: Clock
    ) -> None:
        self._clones = clones
        self._gate = gate
        self._storages = storages
        self._clock = clock
        self.wake = tasks.Wake()
        self._waiting: dict[str, tasks.Wake] = {}
        self._failures: OrderedDict[str, QuarterdeckError] = OrderedDict()

    async def clone(
        self, by: Principal, folder: str, given: folders.FolderClone
    ) -> folders.FolderView:
        """Make a folder of one's own with the files of another; it is READY when this returns, or CREATING if that takes long.

        Raises `FolderNotFound`, `PermissionMissing`, `HostForbids`, `FolderNotReady`, `FolderMounted` (a session may write in it),
        `FolderNameTaken`, `StorageFailure`, `CreationGivenUp`.
        """
        source = await self._gate.admit(by, folder, Permission.READ, HostPermission.DOWNLOAD)
        await self._gate.require_host(by, source.host, HostPermission.CREATE)
        clone = model.Clone(ids.new(self._clock), source.id, source.host, by.user)
        ended = self._waiting[clone.id] = tasks.Wake()
        try:
            await self._clones.begin(clone, source, by.user, given.name)
            self.wake.set()
            return await self._ended(by, clone, ended)
        finally:
            del self._waiting[clone.id]

    async def run(self) -> None:
        """Make copies until none waits; other loops may find more."""
        while (clone := await self._clones.claim()) is not None:
            self.wake.set()
            await self._make(clone)

    async def _ended(
        self, by: Principal, clone: model.Clone, ended: tasks.Wake
    ) -> folders.FolderView:
        deadline = self._clock.monotonic() + ANSWER_SECONDS_MAX
        while True:
            await ended.wait(LOOK_SECONDS)
            if (failure := self._failures.pop(clone.id, None)) is not None:
                raise failure
            try:
                view = await self._gate.admit(by, clone.id)
            except errors.FolderNotFound as error:
                raise errors.CreationGivenUp from error
            if view.status is not FolderStatus.CREATING or self._clock.monotonic() > deadline:
                return view

    async def _make(self, clone: model.Clone) -> None:
        """Have one copy made, or give it up; lost to another manager, it is that one's. One whose folder is gone meanwhile is removed when it is there."""
        extra = {"clone": clone.id, "source": clone.source, "host": clone.host}
        try:
            async with asyncio.TaskGroup() as group:
                holding = group.create_task(self._hold(clone))
                await self._storages.clone(clone)
                holding.cancel()
        except* _Lost:
            _log.warning("clone-lost", extra=extra)
        except* QuarterdeckError as group_error:
            failure = _first(group_error)
            _log.warning("clone-failed", extra={**extra, "error": repr(failure)})
            clear = isinstance(failure, errors.NOT_DONE)
            await self._clones.abandon(clone, may_come=not clear)
            self._tell(clone, failure)
        else:
            await self._clones.finish(clone)
            self._tell(clone, None)

    async def _hold(self, clone: model.Clone) -> None:
        """Keep the claim for as long as the work lasts. Raises `_Lost`."""
        while await self._clones.hold(clone):
            await tasks.pause(HOLD_SECONDS)
        raise _Lost

    def _tell(self, clone: model.Clone, failure: QuarterdeckError | None) -> None:
        waiting = self._waiting.get(clone.id)
        if waiting is None:
            return
        if failure is not None:
            self._failures[clone.id] = failure
            if len(self._failures) > FAILURES_MAX:
                self._failures.popitem(last=False)
        waiting.set()


class _Lost(Exception):
    """Another claim has taken the place of ours."""


def _first(error: BaseExceptionGroup[QuarterdeckError]) -> QuarterdeckError:
    found = error.exceptions[0]
    return _first(found) if isinstance(found, BaseExceptionGroup) else found
