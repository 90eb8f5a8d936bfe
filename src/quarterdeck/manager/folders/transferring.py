"""Folders that are given to other users: first the tree counts for the new owner, if there is room, then the row changes hands.

Before anything a row is written that outlives a manager that dies. What is left of a transfer that did not end is put right by a loop,
which has each such tree count for whoever owns its folder by then.
"""

import asyncio
import logging

from quarterdeck.base import tasks
from quarterdeck.base.errors import QuarterdeckError
from quarterdeck.manager.folders import errors, model, ports, sharing
from quarterdeck.manager.folders.gate import Gate
from quarterdeck.manager.folders.reach import Storages
from quarterdeck.manager.identity.model import Principal
from quarterdeck.wire import folders
from quarterdeck.wire.folders import HostPermission, Permission

_log = logging.getLogger(__name__)


class Transferring:
    """The use case, and the work of the loop that calls `run` when `wake` rings."""

    def __init__(
        self, transfers: ports.Transfers, gate: Gate, storages: Storages, *, shares: ports.Shares
    ) -> None:
        self._transfers = transfers
        self._gate = gate
        self._storages = storages
        self._shares = shares
        self.wake = tasks.Wake()

    async def transfer(
        self, by: Principal, folder: str, given: folders.FolderTransfer
    ) -> folders.FolderView:
        """Give a folder to another user; whoever had it has it no more, shares with others stay.

        Raises `FolderNotFound`, `PermissionMissing`, `HostForbids`, `UserNotFound`, `FolderMounted`, `FolderNotReady`, `FolderNameTaken`,
        `QuotaExceeded`, `StorageFailure`, `TransferGivenUp`: then it is whose it was.
        """
        view = await self._gate.admit(by, folder, Permission.OWN, HostPermission.MODIFY)
        user = await sharing.find_user(self._shares, given.user)
        if user == view.owner:
            return view
        rescope = await self._transfers.begin(view, user)
        await self._move(view, rescope, given.user)
        return await self._finish(view, rescope, by.user)

    async def run(self) -> None:
        """Put right what transfers have left."""
        async with asyncio.TaskGroup() as group:
            for rescope in await self._transfers.due():
                group.create_task(self._put_right(rescope))

    async def _move(self, view: folders.FolderView, rescope: model.Rescope, user: str) -> None:
        """Have the tree count for the new owner. Raises `QuotaExceeded` in words that tell nothing of their quota, `StorageFailure`."""
        try:
            await self._storages.rescope(rescope, must_fit=True)
        except errors.QuotaExceeded as error:
            await self._transfers.end(rescope)
            raise errors.QuotaExceeded(
                f"{user} has no room for the folder on {view.host!r}", field="user"
            ) from error
        except errors.NOT_DONE as error:
            broke_off = isinstance(error, errors.StorageBrokeOff)
            await (self._leave if broke_off else self._transfers.end)(rescope)
            raise
        except QuarterdeckError:
            await self._leave(rescope)
            raise

    async def _finish(
        self, view: folders.FolderView, rescope: model.Rescope, actor: str
    ) -> folders.FolderView:
        try:
            return await self._transfers.finish(view, rescope, actor)
        except QuarterdeckError:
            await self._leave(rescope)
            raise

    async def _leave(self, rescope: model.Rescope) -> None:
        await self._transfers.release(rescope)
        self.wake.set()

    async def _put_right(self, rescope: model.Rescope) -> None:
        """Have a tree count for whose folder it is. What does not succeed is due again: this does not fail."""
        try:
            await self._storages.rescope(rescope, must_fit=False)
        except errors.TreeMissing:
            await self._transfers.end(rescope)
        except QuarterdeckError as error:
            extra = {"tree": rescope.tree.id, "host": rescope.tree.host, "error": repr(error)}
            _log.warning("tree-rescope-failed", extra=extra)
            await self._transfers.postpone(rescope)
        else:
            await self._transfers.end(rescope)
