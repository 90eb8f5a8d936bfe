"""How kernels start, start again in their place, and are known to have ended. Used by `service`, which says when.

A restart ends all processes and makes them anew; directory, slots and cores stay. Until it has succeeded the kernel is written down as
RESTARTING with the generation that it had, so a life of the agent that finds that ends what is there, and is asked again.
"""

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from quarterdeck.agent import model, ports
from quarterdeck.agent.inventory.table import Entry
from quarterdeck.agent.kernels.errors import AgentLeft, KernelNotStarted, KernelTerminated
from quarterdeck.agent.kernels.spec import Exit, KernelSpec
from quarterdeck.agent.resources.ledger import Holding, Ledger
from quarterdeck.base.errors import QuarterdeckError
from quarterdeck.base.tasks import Wake
from quarterdeck.wire.agents import KernelCreate
from quarterdeck.wire.sessions import IsolationLevel
from quarterdeck.wire.states import KernelStatus

STARTING_AT_ONCE_MAX = 8
ABANDONED = Exit(reason="its agent died while it was restarted")

_BEGINS = frozenset({KernelStatus.CREATING, KernelStatus.RESTARTING})
_T = TypeVar("_T")
_log = logging.getLogger(__name__)


class Starts:
    """Starts the kernels of one agent, some at a time."""

    def __init__(
        self,
        kernels: ports.Kernels,
        scratch: ports.Scratch,
        records: ports.Records,
        news: ports.News,
        *,
        ledger: Ledger,
        network: ports.Network,
        surroundings: model.Surroundings,
    ) -> None:
        self._kernels = kernels
        self._scratch = scratch
        self._records = records
        self._news = news
        self._ledger = ledger
        self._network = network
        self._surroundings = surroundings
        self._starting = asyncio.Semaphore(STARTING_AT_ONCE_MAX)
        self.few = Wake()

    async def spawn(
        self, entry: Entry, holding: Holding, *, after: ports.Kernel | None = None
    ) -> None:
        """Make the processes of a kernel that begins, or goes on `after` others; it runs then, or has ended. Raises `KernelNotStarted`, `KernelTerminated`, `AgentLeft`."""
        spec = self.spec(entry, holding, again=self._provide(entry))
        async with self._starting:
            if entry.status not in _BEGINS:
                raise KernelTerminated
            entry.kernel = await self._kernels.spawn(spec, partial(self.ended, entry))
        if after is not None:
            entry.kernel.runs.follow(after.runs)
        self.keep(entry)
        try:
            await self._begins(entry, entry.kernel)
        except KernelNotStarted:
            await self._kernels.kill(entry.id)  # what is there is not what was asked for
            raise
        session = entry.request.session
        extra = {"kernel": entry.id, "session": session, "pid": entry.kernel.pid}
        _log.info("kernel-started", extra=extra)

    async def _begins(self, entry: Entry, kernel: ports.Kernel) -> None:
        """Let a kernel that was made reach its peers, and have it run by what is written down. Raises `KernelNotStarted`."""
        await self._network.join(entry.id, kernel.pid, entry.request)
        if entry.exit is not None:
            self._network.leave(entry.id)
        if entry.status in _BEGINS:
            died = entry.exit is not None
            entry.status = KernelStatus.TERMINATED if died else KernelStatus.RUNNING
            self.save_or_refuse(entry)

    def _provide(self, entry: Entry) -> bool:
        """Have the directory of a kernel that is new and has namespaces there already, if one was made in advance."""
        if entry.isolation is not IsolationLevel.NAMESPACED or entry.request.generation > 0:
            return False
        provided = self._scratch.provide(entry.id)
        if self._scratch.few:
            self.few.set()
        return provided

    async def restart(self, entry: Entry, request: KernelCreate) -> None:
        """End all processes of a kernel and make them anew. Raises what `spawn` does; the kernel is TERMINATED then, with its directory."""
        before, earlier = entry.request, entry.kernel
        holding = self._ledger.again(entry.id, before.slots, entry.cores)
        entry.status, entry.failure = KernelStatus.RESTARTING, None
        entry.settled.clear()
        try:
            self.save_or_refuse(entry)
            await self._kernels.kill(entry.id)
            entry.exit, entry.kernel, entry.request = None, None, request
            await self.spawn(entry, holding, after=earlier)
            if entry.status is KernelStatus.TERMINATED:
                self._ledger.give_back(entry.id)
        except AgentLeft as error:
            entry.failure = error  # the next life settles it
            raise
        except QuarterdeckError as error:
            entry.failure, entry.request = error, before
            _log.warning("kernel-not-restarted", extra={"kernel": entry.id, "error": error.detail})
            self._fail(entry, Exit(reason=f"not restarted: {error.detail}"))
            raise
        except asyncio.CancelledError:
            entry.failure, entry.status = KernelTerminated(), KernelStatus.TERMINATING
            raise
        finally:
            entry.settled.set()

    async def abandon(self, entry: Entry) -> None:
        """Settle a restart that an earlier life of the agent did not bring to its end: the kernel has ended, and may be restarted."""
        await self._kernels.kill(entry.id)
        self._fail(entry, ABANDONED)

    def spec(
        self, entry: Entry, holding: Holding | None = None, *, again: bool = False
    ) -> KernelSpec:
        """Return what the kernel is to be, on the cores that it holds; `again`: its directory is there."""
        return model.spec(
            entry.id,
            entry.request,
            directory=self._scratch.directory(entry.id),
            cores=() if holding is None else holding.cores,
            surroundings=self._surroundings,
            image=entry.image,
            again=again,
        )

    def keep(self, entry: Entry) -> None:
        """Have what a command writes written down for the agent's next life."""
        if entry.kernel is None or not entry.request.command:
            return
        try:
            entry.kernel.keep(self._records.journal(entry.id))
        except OSError as error:
            _log.warning("no-journal", extra={"kernel": entry.id, "error": str(error)})

    def ended(self, entry: Entry, exit_: Exit) -> None:
        """Take note that a kernel has ended, by itself or because it was destroyed. What ends for a restart ends nothing."""
        entry.exit = exit_
        self._network.leave(entry.id)
        if entry.status is KernelStatus.RESTARTING:
            return
        self._ledger.give_back(entry.id)
        if entry.status is not KernelStatus.RUNNING:
            return
        entry.status = KernelStatus.TERMINATED
        self.remember(self._records.save, entry.record())
        _log.warning("kernel-died", extra={"kernel": entry.id, "exit": str(exit_)})
        self._news.kernel_changed(entry.id)

    def save_or_refuse(self, entry: Entry) -> None:
        """Write down a kernel that begins: without that, the next life would not know it. Raises `KernelNotStarted`."""
        try:
            self._records.save(entry.record())
        except OSError as error:
            raise KernelNotStarted(f"It cannot be written down: {error}") from error

    def remember(self, write: Callable[[_T], None], what: _T) -> None:
        """Write something down as far as possible: what is missing in the next life is found out by looking."""
        try:
            write(what)
        except OSError as error:
            _log.warning("record-not-written", extra={"what": str(what), "error": str(error)})

    def _fail(self, entry: Entry, exit_: Exit) -> None:
        """Have a kernel ended that could not be restarted and of which nothing runs, unless it is being destroyed. Its files stay."""
        if entry.status is not KernelStatus.RESTARTING:
            return
        entry.kernel, entry.exit, entry.status = None, exit_, KernelStatus.TERMINATED
        self._ledger.give_back(entry.id)
        self.remember(self._records.save, entry.record())
