"""The ports of `quarterdeck.agent.ports` in memory: kernels that run code in this process, directories that are names, news in a list."""

import asyncio
import contextlib
import io
from collections.abc import Callable, Collection
from pathlib import Path

from quarterdeck.agent.images.errors import ImageNotHere
from quarterdeck.agent.kernels import messages
from quarterdeck.agent.kernels.activity import Activity
from quarterdeck.agent.kernels.capture import Journal
from quarterdeck.agent.kernels.errors import KernelDied, KernelNotStarted, KernelTerminated
from quarterdeck.agent.kernels.interpreter import Interpreter
from quarterdeck.agent.kernels.record import Kind
from quarterdeck.agent.kernels.runs import Run, Runs
from quarterdeck.agent.kernels.spec import Exit, Image, KernelSpec
from quarterdeck.agent.remembered import Record, Remembered
from quarterdeck.testing.fakes.clock import FakeClock
from quarterdeck.wire.executions import Complete, Completion, Execute, ExecutionError, Input
from quarterdeck.wire.sessions import IsolationLevel, Logs

FIRST_PID = 1000


class FakeKernel:
    """A namespace in this process. `die` ends it as if by itself."""

    def __init__(self, spec: KernelSpec, pid: int, on_exit: Callable[[Exit], None]) -> None:
        self.spec = spec
        self.pid = pid
        self.killed = False
        self.clock = FakeClock()
        self.activity = Activity(self.clock.monotonic)
        self._exit: Exit | None = None
        self._on_exit = on_exit
        self._interpreter = Interpreter()
        self.runs = Runs()
        self._written = io.StringIO()

    def start(self, given: Execute) -> Run:
        """Run code here and now; commands do nothing and succeed."""
        if self.killed:
            raise KernelTerminated
        if self._exit is not None:
            raise KernelDied(f"The kernel ended: {self._exit}")
        run = self.runs.add(str(given.run), given)
        if self.runs.next() is run:
            self.runs.end(run, self._done(run))
        return run

    def run(self, id_: str) -> Run:
        """Return a run."""
        return self.runs.find(id_)

    def interrupt(self, id_: str | None = None) -> None:
        """Nothing ever runs."""
        if id_ is not None:
            self.runs.find(id_)

    def reply(self, id_: str, given: Input) -> None:
        """Refuse: nothing ever asks."""
        self.runs.find(id_).answer(given.number)

    async def complete(self, given: Complete) -> Completion:
        """Return how code could go on."""
        return Completion(*self._interpreter.complete(given.code, given.cursor))

    def keep(self, journal: Journal) -> None:
        """Begin with what the journal holds."""
        self._written.write(journal.earlier.decode())

    def logs(self) -> Logs:
        """Return all that was written."""
        text = self._written.getvalue()
        return Logs(text, len(text))

    def condemn(self, reason: str) -> None:
        """End for a reason."""
        self.die(Exit(reason=reason))

    def inherit(self, pid: int, on_exit: Callable[[Exit], None]) -> None:
        """Belong to somebody else from now on, who is told at once when it has ended."""
        self.pid = pid
        self._on_exit = on_exit
        if self._exit is not None:
            on_exit(self._exit)

    def _done(self, run: Run) -> messages.Done:
        if run.given.code is None:
            return messages.Done(number=1, run=run.id, status="ok", exit_code=0)
        stdout, stderr = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr):
            outcome = self._interpreter.run(run.given.code)
        self._written.write(stdout.getvalue() + stderr.getvalue())
        run.write(Kind.STDOUT, stdout.getvalue())
        run.write(Kind.STDERR, stderr.getvalue())
        return messages.Done(
            number=1,
            run=run.id,
            status="ok" if outcome.status == "ok" else "error",
            result=outcome.result,
            error=None if outcome.error is None else ExecutionError(**outcome.error),
            truncated=outcome.truncated,
        )

    def die(self, exit_: Exit) -> None:
        """End."""
        if self._exit is None:
            self._exit = exit_
            self._on_exit(exit_)


class FakeKernels:
    """The port `Kernels`. Set `refusal` to have starts fail, clear `gate` to hold them up."""

    def __init__(self, *, mounts: bool = True) -> None:
        self.mounts = mounts
        self.level = IsolationLevel.NAMESPACED if mounts else IsolationLevel.PROCESS
        self.living: dict[str, FakeKernel] = {}
        self._left: dict[str, FakeKernel] = {}
        self.refusal: KernelNotStarted | None = None
        self.gate = asyncio.Event()
        self.gate.set()
        self._pid = FIRST_PID

    async def spawn(self, spec: KernelSpec, on_exit: Callable[[Exit], None]) -> FakeKernel:
        """Make a kernel when the gate is open."""
        self._pid += 1
        kernel = self.living[spec.id] = FakeKernel(spec, self._pid, on_exit)
        await self.gate.wait()
        if kernel.killed:
            raise KernelTerminated
        if self.refusal is not None:
            del self.living[spec.id]
            kernel.die(Exit(code=1))
            raise self.refusal
        return kernel

    async def kill(self, id_: str) -> None:
        """End a kernel."""
        kernel = self.living.pop(id_, None) or self._left.pop(id_, None)
        if kernel is not None:
            kernel.killed = True
            kernel.die(Exit())

    def held(self) -> Collection[str]:
        """Return what `leave` has left."""
        return tuple(self._left)

    def adopt(self, id_: str, pid: int, on_exit: Callable[[Exit], None]) -> FakeKernel | None:
        """Go on with a kernel that was left."""
        kernel = self._left.pop(id_, None)
        if kernel is not None:
            self.living[id_] = kernel
            kernel.inherit(pid, on_exit)
        return kernel

    def leave(self) -> None:
        """Keep all kernels for whoever comes next."""
        self._left |= self.living
        self.living.clear()


class FakeJournal:
    """The port `Journal`: keeps all."""

    def __init__(self, earlier: bytes) -> None:
        self.earlier = earlier

    def add(self, piece: bytes) -> None:
        """Keep it."""
        self.earlier += piece

    def close(self) -> None:
        """Do nothing."""


class FakeRecords:
    """The port `Records`: keeps what was written. Set `failure` to have writes fail; `damage` is told by `load`."""

    def __init__(self) -> None:
        self.kept: dict[str, Record] = {}
        self.journals: dict[str, bytes] = {}
        self.destroyed: list[str] = []
        self.damage: tuple[str, ...] = ()
        self.failure: OSError | None = None

    def save(self, record: Record) -> None:
        """Keep it."""
        self._fail()
        self.kept[record.id] = record

    def drop(self, id_: str) -> None:
        """Forget it."""
        self._fail()
        self.kept.pop(id_, None)

    def journal(self, id_: str) -> "FakeJournal":
        """Return what a kernel has written."""
        self._fail()
        return FakeJournal(self.written(id_))

    def written(self, id_: str) -> bytes:
        """Return what a kernel has written."""
        return self.journals.get(id_, b"")

    def note_destroyed(self, id_: str) -> None:
        """Keep it."""
        self._fail()
        self.destroyed.append(id_)

    def load(self) -> Remembered:
        """Return what is kept."""
        return Remembered(tuple(self.kept.values()), tuple(self.destroyed), self.damage)

    def _fail(self) -> None:
        if self.failure is not None:
            raise self.failure


class FakeImages:
    """The port `Images`: has the images that it is given, notes who uses them."""

    def __init__(self, **images: Image) -> None:
        self.images = images
        self.users: dict[str, str] = {}

    def use(self, digest: str, user: str) -> Image:
        """Return an image."""
        if digest not in self.images:
            raise ImageNotHere(field="digest")
        self.users[user] = digest
        return self.images[digest]

    def release(self, user: str) -> None:
        """Forget a user."""
        self.users.pop(user, None)


class FakeScratch:
    """The port `Scratch`: notes what was removed. Set `failure` to have that fail, `few` to be asked for more."""

    def __init__(self) -> None:
        self.few, self.kept = False, set[str]()
        self.removed: list[str] = []
        self.failure: OSError | None = None

    def directory(self, kernel: str) -> Path:
        """Return a name."""
        return Path("/scratch") / kernel

    def clean(self, kept: Collection[str]) -> None:
        """Note what stays."""
        self.kept = set(kept)

    def provide(self, kernel: str) -> bool:
        """Have none that was made in advance."""
        return False

    def prepare(self) -> None:
        """Make none."""

    def set_aside(self, kernel: str) -> bool:
        """Have them removed, each at once."""
        return False

    def remove(self, kernel: str) -> None:
        """Note it."""
        if self.failure is not None:
            raise self.failure
        self.removed.append(kernel)


class FakeNews:
    """The port `News`: keeps what it was told."""

    def __init__(self) -> None:
        self.kernels: list[str] = []
        self.images: list[str] = []

    def kernel_changed(self, kernel: str) -> None:
        """Keep it."""
        self.kernels.append(kernel)

    def image_changed(self, digest: str) -> None:
        """Keep it."""
        self.images.append(digest)
