"""The kernels that this agent knows: each from its request until it is destroyed, and for a while the ids of those destroyed."""

import asyncio
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

import msgspec

from quarterdeck.agent.errors import (
    InsufficientCapacity,
    KernelNotFound,
    KernelNotRunning,
    KernelRestarted,
)
from quarterdeck.agent.kernels.spec import Exit, Image
from quarterdeck.agent.ports import Kernel
from quarterdeck.agent.remembered import Ended, Record
from quarterdeck.base.errors import QuarterdeckError
from quarterdeck.wire.agents import KernelCreate, KernelExit, KernelView
from quarterdeck.wire.sessions import IsolationLevel
from quarterdeck.wire.states import KernelStatus

ENTRIES_MAX = 4096
DESTROYED_IDS_MAX = 65536


@dataclass
class Entry:
    """A kernel and what is known of it. `settled` is set when its start has succeeded or failed (then `failure` says how)."""

    id: str
    request: KernelCreate
    isolation: IsolationLevel = IsolationLevel.PROCESS
    image: Image | None = None
    status: KernelStatus = KernelStatus.CREATING
    kernel: Kernel | None = None
    exit: Exit | None = None
    failure: QuarterdeckError | None = None
    cores: tuple[int, ...] = ()
    settled: asyncio.Event = field(default_factory=asyncio.Event)
    ending: asyncio.Lock = field(default_factory=asyncio.Lock)

    def is_for(self, request: KernelCreate) -> bool:
        """Tell whether a request is for this very kernel, of whatever generation."""
        same = msgspec.structs.replace(request, generation=self.request.generation)
        return self.request.asks_for(same)

    def runs(self) -> Kernel:
        """Return its kernel, which runs. Raises `KernelNotRunning`, `KernelRestarted`."""
        if self.status is KernelStatus.RESTARTING:
            raise KernelRestarted
        if self.kernel is None or self.status is not KernelStatus.RUNNING:
            raise KernelNotRunning(f"The kernel is {self.status}: {self.exit or 'no exit yet'}")
        return self.kernel

    def record(self) -> Record:
        """Return what has to be known of it in the agent's next life."""
        return Record(
            id=self.id,
            request=self.request,
            isolation=self.isolation,
            status=self.status,
            cores=self.cores,
            pid=self.kernel.pid if self.kernel else 0,
            ended=None if self.exit is None else Ended.of(self.exit),
        )

    def view(self) -> KernelView:
        """Return it as others see it."""
        ended = self.exit
        return KernelView(
            id=self.id,
            session=self.request.session,
            status=self.status,
            slots=self.request.slots,
            isolation=self.isolation,
            pid=self.kernel.pid if self.kernel else None,
            exit=None if ended is None else KernelExit(code=ended.code, signal=ended.signal),
            reason=None if ended is None else str(ended),
        )

    def report(self) -> KernelView:
        """Return it as others see it now, with how long nobody has used it."""
        view = self.view()
        if self.kernel is None or self.request.command or self.status is not KernelStatus.RUNNING:
            return view
        return msgspec.structs.replace(view, idle_seconds=self.kernel.activity.idle_seconds)


class Table:
    """Entries by id. An id that was destroyed does not come back: a create that arrives late would leave an orphan."""

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}
        self._destroyed: set[str] = set()
        self._oldest: deque[str] = deque()

    def __iter__(self) -> Iterator[Entry]:
        return iter(tuple(self._entries.values()))

    def get(self, id_: str) -> Entry | None:
        """Return a kernel, if it is here."""
        return self._entries.get(id_)

    def require(self, id_: str) -> Entry:
        """Return a kernel. Raises `KernelNotFound`."""
        entry = self._entries.get(id_)
        if entry is None:
            raise KernelNotFound
        return entry

    def add(self, entry: Entry) -> None:
        """Add a kernel. Raises `InsufficientCapacity` when too many are here, dead ones that nobody destroys included."""
        if len(self._entries) >= ENTRIES_MAX:
            raise InsufficientCapacity(f"{ENTRIES_MAX} kernels wait to be destroyed")
        self._entries[entry.id] = entry

    def drop(self, entry: Entry) -> None:
        """Forget a kernel; nothing happens if it is forgotten already."""
        if self._entries.get(entry.id) is entry:
            del self._entries[entry.id]

    def forget(self, id_: str) -> None:
        """Forget a kernel that was never made."""
        self._entries.pop(id_, None)

    def was_destroyed(self, id_: str) -> bool:
        """Tell whether this id has been destroyed, or was to be before it came."""
        return id_ in self._destroyed

    def note_destroyed(self, id_: str) -> None:
        """Remember a destroyed id, for as long as there is room."""
        if id_ in self._destroyed:
            return
        if len(self._oldest) >= DESTROYED_IDS_MAX:
            self._destroyed.discard(self._oldest.popleft())
        self._destroyed.add(id_)
        self._oldest.append(id_)
