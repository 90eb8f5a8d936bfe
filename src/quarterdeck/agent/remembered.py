"""What an agent remembers of a kernel over its own death. Pure."""

import msgspec

from quarterdeck.agent.kernels.spec import Exit
from quarterdeck.wire.agents import KernelCreate
from quarterdeck.wire.sessions import IsolationLevel
from quarterdeck.wire.states import KernelStatus


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """How a kernel has ended."""

    code: int | None = None
    signal: int | None = None
    reason: str | None = None

    @classmethod
    def of(cls, exit_: Exit) -> "Ended":
        """Return it as it is kept."""
        return cls(code=exit_.code, signal=exit_.signal, reason=exit_.reason)

    def exit(self) -> Exit:
        """Return it as it was."""
        return Exit(self.code, self.signal, self.reason)


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """A kernel. CREATING: it was never given out; RUNNING: it may have run code; RESTARTING: nothing of it should run; TERMINATED: `ended` says how."""

    id: str
    request: KernelCreate
    status: KernelStatus
    isolation: IsolationLevel = IsolationLevel.PROCESS
    cores: tuple[int, ...] = ()
    pid: int = 0
    ended: Ended | None = None


class Remembered(msgspec.Struct, frozen=True):
    """All that an agent knows of its earlier life. `damage` says in words what could not be read."""

    records: tuple[Record, ...] = ()
    destroyed: tuple[str, ...] = ()
    damage: tuple[str, ...] = ()
