"""The use cases of an agent: kernels made, listed and destroyed by id. Every one of them may be asked for again."""

import asyncio
import contextlib
import logging
from collections.abc import Sequence

import msgspec

from quarterdeck.agent import model, ports
from quarterdeck.agent.errors import (
    KernelConflict,
    KernelNotFound,
    KernelTakesNoCode,
    MountsUnsupported,
    NetworkUnsupported,
    ScratchStays,
    Stopping,
    TerminalsUnsupported,
)
from quarterdeck.agent.inventory.heritage import Heritage
from quarterdeck.agent.inventory.table import Entry, Table
from quarterdeck.agent.kernels.doorway import Entrance
from quarterdeck.agent.kernels.errors import AgentLeft, KernelTerminated
from quarterdeck.agent.resources.ledger import Holding, Ledger
from quarterdeck.agent.starts import Starts
from quarterdeck.base.errors import QuarterdeckError
from quarterdeck.base.tasks import Wake
from quarterdeck.wire.agents import KernelCreate, KernelView
from quarterdeck.wire.executions import Execute, Execution
from quarterdeck.wire.sessions import IsolationLevel, Logs
from quarterdeck.wire.states import KernelStatus

SETTLING_SECONDS_MAX = 10.0
"""What an earlier life has left must be ended by then; else the agent starts, and lists it."""

_log = logging.getLogger(__name__)


class AgentService:
    """The kernels of one agent."""

    def __init__(  # noqa: PLR0913 - its ports, each by name
        self,
        kernels: ports.Kernels,
        scratch: ports.Scratch,
        records: ports.Records,
        news: ports.News,
        *,
        images: ports.Images,
        ledger: Ledger,
        network: ports.Network,
        surroundings: model.Surroundings,
    ) -> None:
        self._kernels = kernels
        self._scratch = scratch
        self._records = records
        self._news = news
        self._images = images
        self._ledger = ledger
        self._starts = Starts(
            *(kernels, scratch, records, news),
            ledger=ledger,
            network=network,
            surroundings=surroundings,
        )
        self._network = network
        self._table = Table()
        self._stopping = False
        self.damage: tuple[str, ...] = ()
        """What of an earlier life could not be read, in words."""

    async def restore(self) -> None:
        """Take over what an earlier life of this agent has left: once, before the first request."""
        remembered = self._records.load()
        self.damage = remembered.damage
        heritage = Heritage(
            *(self._table, self._ledger, self._kernels),
            images=self._images,
            network=self._network,
            keep=self._starts.keep,
            on_exit=self._starts.ended,
        )
        heritage.take_over(remembered)
        try:
            async with asyncio.timeout(SETTLING_SECONDS_MAX):
                await heritage.settle(self._end_quietly, self._starts.abandon)
        except TimeoutError:
            _log.error("kernels-unsettled", extra={"kernels": len(self.inventory())})
        await asyncio.to_thread(self._scratch.clean, [entry.id for entry in self._table])

    async def create(self, id_: str, request: KernelCreate) -> KernelView:
        """Make a kernel and return when it is ready for code, or has run its first. The same again returns it as it is now; of a greater generation, restarts it.

        Raises `KernelConflict`, `KernelTerminated` (this id was destroyed), `KernelNotStarted`, `InsufficientCapacity`,
        `KernelNotFound` (there is nothing to restart), `MountsUnsupported`, `IsolationUnsupported`, `ImageNotFound`, `Invalid`, `Stopping`.
        """
        first, request = request.execute, msgspec.structs.replace(request, execute=None)
        model.check_first(first, request)
        entry = self._table.get(id_)
        if entry is None:
            entry, holding = self._admit(id_, request)
            await self._start(entry, holding)
        elif not entry.is_for(request):
            raise KernelConflict
        await entry.settled.wait()
        if entry.request.generation < request.generation:
            await self._restarted(entry, request)
        if entry.failure is not None:
            raise entry.failure
        execution = None if first is None else await _executed(entry, first)
        return msgspec.structs.replace(entry.view(), execution=execution)

    async def prepare(self) -> None:
        """Make ready what kernels to come need; `few` rings when there is little left of it."""
        await asyncio.to_thread(self._scratch.prepare)

    @property
    def few(self) -> Wake:
        """The alarm that rings when it is time to `prepare`."""
        return self._starts.few

    def executing(self, id_: str) -> ports.Kernel:
        """Return a kernel for `executions`. Raises `KernelNotFound`, `KernelNotRunning`, `KernelTakesNoCode`."""
        entry = self._table.require(id_)
        if entry.request.command:
            raise KernelTakesNoCode
        return entry.runs()

    def entrance(self, id_: str) -> Entrance:
        """Return where a shell goes in a kernel. Raises `KernelNotFound`, `KernelNotRunning`, `TerminalsUnsupported`."""
        entry = self._table.require(id_)
        if entry.isolation is IsolationLevel.PROCESS:
            raise TerminalsUnsupported
        return model.entrance(entry.runs().pid, self._starts.spec(entry))

    def pid(self, id_: str) -> int:
        """Return the process of a kernel with a network of its own. Raises `KernelNotFound`, `KernelNotRunning`, `NetworkUnsupported`."""
        entry = self._table.require(id_)
        if entry.isolation is IsolationLevel.PROCESS:
            raise NetworkUnsupported
        return entry.runs().pid

    def using(self, id_: str) -> contextlib.AbstractContextManager[None]:
        """Use a kernel for the time of a block, if it is there: it is not idle then."""
        entry = self._table.get(id_)
        if entry is None or entry.kernel is None:
            return contextlib.nullcontext()
        return entry.kernel.activity.using()

    def logs(self, id_: str) -> Logs:
        """Return the newest part of what a kernel has written, also of one that has ended. Raises `KernelNotFound`."""
        entry = self._table.require(id_)
        if entry.kernel is not None:
            return entry.kernel.logs()
        text = self._records.written(id_).decode("utf-8", "replace")
        return Logs(text, len(text))

    def show(self, id_: str) -> KernelView:
        """Return a kernel. Raises `KernelNotFound`."""
        return self._table.require(id_).view()

    def inventory(self) -> Sequence[KernelView]:
        """Return all kernels that have not been destroyed, the dead ones too."""
        return [entry.report() for entry in self._table]

    def running(self) -> Sequence[Entry]:
        """Return the kernels that run, as they are."""
        return [one for one in self._table if one.status is KernelStatus.RUNNING]

    async def destroy(self, id_: str) -> None:
        """End a kernel and return when its processes and its files are gone; fine if it is not there.

        A create of the same id that comes later is refused. Raises `Stopping`, `ScratchStays`; the kernel stays listed then.
        """
        if self._stopping:
            raise Stopping
        if not self._table.was_destroyed(id_):
            self._table.note_destroyed(id_)
            self._starts.remember(self._records.note_destroyed, id_)
        entry = self._table.get(id_)
        if entry is not None:
            await self._discard(entry)

    def stop(self) -> None:
        """Take nothing new, and let go of all kernels: they go on, and the next life of this agent takes them over."""
        self._stopping = True
        self._kernels.leave()

    def _admit(self, id_: str, request: KernelCreate) -> tuple[Entry, Holding]:
        """Check a request and hold what it needs."""
        if self._stopping:
            raise Stopping
        if self._table.was_destroyed(id_):
            raise KernelTerminated("A kernel of this id has been destroyed")
        if request.generation:
            raise KernelNotFound("There is no kernel of this id to restart")
        level = self._kernels.level if request.digest is None else IsolationLevel.OCI
        model.check(request, level)
        if request.mounts and request.digest is None and not self._kernels.mounts:
            raise MountsUnsupported(field="mounts")
        image = None if request.digest is None else self._images.use(request.digest, id_)
        try:
            holding = self._ledger.take(id_, request.slots)
            entry = Entry(id_, request, level, image=image, cores=holding.cores)
            self._table.add(entry)
            self._starts.save_or_refuse(entry)
        except QuarterdeckError:
            self._table.forget(id_)
            self._ledger.give_back(id_)
            self._images.release(id_)
            raise
        return entry, holding

    async def _start(self, entry: Entry, holding: Holding) -> None:
        try:
            await self._starts.spawn(entry, holding)
        except AgentLeft as error:
            entry.failure = error  # the next life settles it
        except QuarterdeckError as error:
            entry.failure = error
            _log.warning("kernel-not-started", extra={"kernel": entry.id, "error": error.detail})
            await self._discard(entry)
        except asyncio.CancelledError:
            entry.failure, entry.status = KernelTerminated(), KernelStatus.TERMINATING
            raise
        finally:
            entry.settled.set()

    async def _restarted(self, entry: Entry, request: KernelCreate) -> None:
        """Have a kernel restarted, by this request or by another that came first."""
        while entry.request.generation < request.generation:
            if self._stopping:
                raise Stopping
            if entry.status is KernelStatus.TERMINATING:
                raise KernelTerminated
            if not entry.settled.is_set():
                await entry.settled.wait()
                if entry.failure is not None:
                    raise entry.failure
            else:
                await self._starts.restart(entry, request)

    async def _discard(self, entry: Entry) -> None:
        """End a kernel, remove its directory and forget it. Raises `ScratchStays`."""
        entry.status = KernelStatus.TERMINATING
        async with entry.ending:
            if self._table.get(entry.id) is not entry:
                return
            await self._kernels.kill(entry.id)
            try:
                if not self._scratch.set_aside(entry.id):
                    await asyncio.to_thread(self._scratch.remove, entry.id)
            except OSError as error:
                _log.exception("scratch-stays", extra={"kernel": entry.id})
                raise ScratchStays from error
            self._ledger.give_back(entry.id)
            self._images.release(entry.id)
            self._starts.remember(self._records.drop, entry.id)
            self._table.drop(entry)
        _log.info("kernel-destroyed", extra={"kernel": entry.id})

    async def _end_quietly(self, entry: Entry) -> None:
        try:
            await self._discard(entry)
        except (ScratchStays, KernelNotFound):
            return


async def _executed(entry: Entry, first: Execute) -> Execution | None:
    """Return what came of a kernel's first code within its wait; None: that is not known. The kernel is there in any case."""
    try:
        run = entry.runs().start(first)
        await run.settled(first.wait)
    except QuarterdeckError as error:
        _log.info("first-code-unclear", extra={"kernel": entry.id, "error": error.detail})
        return None
    return None if run.failure is not None else run.report()
