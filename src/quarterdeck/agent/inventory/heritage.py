"""Takes over what an earlier life of this agent has left: kernels that run go on, the rest is settled. Used by `service`, before its first request.

What the inventory says is held against what the zygote holds and what lies on disk. A kernel that runs is adopted; one that ended
meanwhile is listed with its end; one that was restarted is ended, and may be restarted again; one that was never given out, or was to be destroyed, is destroyed. What no record speaks of is
an orphan.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from functools import partial

from quarterdeck.agent import ports
from quarterdeck.agent.inventory.table import Entry, Table
from quarterdeck.agent.kernels.spec import Exit
from quarterdeck.agent.remembered import Record, Remembered
from quarterdeck.agent.resources.ledger import Ledger
from quarterdeck.base.errors import QuarterdeckError
from quarterdeck.wire.states import KernelStatus

VANISHED = Exit(reason="ended while its agent was away")

_Settle = Callable[[Entry], Coroutine[None, None, None]]

_log = logging.getLogger(__name__)


class Heritage:
    """Fills a table and a ledger from what is remembered."""

    def __init__(
        self,
        table: Table,
        ledger: Ledger,
        kernels: ports.Kernels,
        *,
        images: ports.Images,
        network: ports.Network,
        keep: Callable[[Entry], None],
        on_exit: Callable[[Entry, Exit], None],
    ) -> None:
        self._table = table
        self._ledger = ledger
        self._kernels = kernels
        self._images = images
        self._network = network
        self._keep = keep
        self._on_exit = on_exit

    def take_over(self, remembered: Remembered) -> None:
        """Add each remembered kernel: RUNNING, TERMINATED, RESTARTING, or TERMINATING for those that have to be destroyed."""
        for id_ in remembered.destroyed:
            self._table.note_destroyed(id_)
        for record in remembered.records:
            entry = Entry(record.id, record.request, record.isolation, cores=record.cores)
            entry.settled.set()
            self._table.add(entry)
            self._settle(entry, record)
            if entry.request.digest is not None:
                self._use_again(entry, entry.request.digest)
            extra = {"kernel": entry.id, "status": entry.status, "exit": str(entry.exit)}
            _log.info("kernel-taken-over", extra=extra)

    async def settle(self, end: _Settle, abandon: _Settle) -> None:
        """End what an earlier life did not want any more, and what nobody knows; let the others reach each other again.

        `abandon` is for what was being restarted.
        """
        orphans = [id_ for id_ in self._kernels.held() if self._table.get(id_) is None]
        async with asyncio.TaskGroup() as group:
            for orphan in orphans:
                _log.warning("orphan-ended", extra={"kernel": orphan})
                group.create_task(self._kernels.kill(orphan))
            for entry in self._table:
                if entry.status is KernelStatus.TERMINATING:
                    group.create_task(end(entry))
                elif entry.status is KernelStatus.RESTARTING:
                    group.create_task(abandon(entry))
                elif entry.status is KernelStatus.RUNNING:
                    group.create_task(self._join(entry))

    async def _join(self, entry: Entry) -> None:
        try:
            await self._network.join(entry.id, entry.runs().pid, entry.request)
        except QuarterdeckError as error:
            _log.error("kernel-alone", extra={"kernel": entry.id, "error": error.detail})

    def _settle(self, entry: Entry, record: Record) -> None:
        was_to_end = self._table.was_destroyed(entry.id)
        if was_to_end or record.status in {KernelStatus.CREATING, KernelStatus.TERMINATING}:
            entry.status = KernelStatus.TERMINATING
        elif record.status is KernelStatus.RESTARTING:
            entry.status = KernelStatus.RESTARTING
        elif record.ended is not None:
            entry.status, entry.exit = KernelStatus.TERMINATED, record.ended.exit()
        else:
            self._adopt(entry, record)

    def _use_again(self, entry: Entry, digest: str) -> None:
        """Keep the image of a kernel of an earlier life."""
        try:
            entry.image = self._images.use(digest, entry.id)
        except QuarterdeckError as error:
            _log.error("image-of-kernel-gone", extra={"kernel": entry.id, "error": error.detail})

    def _adopt(self, entry: Entry, record: Record) -> None:
        entry.status = KernelStatus.RUNNING
        self._ledger.hold(entry.id, record.request.slots, record.cores)
        entry.kernel = self._kernels.adopt(record.id, record.pid, partial(self._on_exit, entry))
        if entry.kernel is None:
            self._on_exit(entry, VANISHED)
        self._keep(entry)
