"""The ports of the manager's sessions without a database and without agents; each fake is also a record of its calls. Placement: `placements`."""

import contextlib
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence

from quarterdeck.manager.sessions import errors, model
from quarterdeck.manager.sessions.source import ImageSource
from quarterdeck.manager.sessions.watch import Over, Ran, Watch
from quarterdeck.testing.fakes.clock import EPOCH
from quarterdeck.wire import agents, sessions
from quarterdeck.wire.executions import Execute, Execution, ExecutionStatus
from quarterdeck.wire.sessions import IsolationLevel, SessionResult
from quarterdeck.wire.states import SESSION_LIVE, KernelStatus, SessionStatus, SessionType

AGENT = "agent"
ADDRESS = "http://agent"
SOURCE = ImageSource("http://hub", "team/tool", "ada", "word")


class FakeKernels:
    """The agents: a kernel is an entry. `failures` are raised by the next calls of that name, one each.

    `meanwhile` happens during a create; kernels that are `stillborn` answer dead. What they are to run first is in `first`, and its
    outcome is its code.
    """

    def __init__(self) -> None:
        self.alive: dict[str, agents.KernelView] = {}
        self.calls: list[tuple[str, str]] = []
        self.failures: dict[str, list[Exception]] = {}
        self.stillborn = False
        self.first: list[Execute] = []
        self.meanwhile: Callable[[], Awaitable[object]] | None = None

    async def create(
        self, address: str, kernel: str, request: agents.KernelCreate
    ) -> agents.KernelView:
        """Make a kernel; the same again returns it as it is."""
        self._called("create", address, kernel)
        status = KernelStatus.TERMINATED if self.stillborn else KernelStatus.RUNNING
        made = agents.KernelView(
            id=kernel,
            session=request.session,
            status=status,
            slots=request.slots,
            execution=self._executed(request.execute),
        )
        if self.meanwhile is not None:
            await self.meanwhile()
        return self.alive.setdefault(kernel, made)

    async def destroy(self, address: str, kernel: str) -> None:
        """End a kernel; nothing happens if it is not there."""
        self._called("destroy", address, kernel)
        self.alive.pop(kernel, None)

    async def inventory(self, address: str) -> Mapping[str, agents.KernelView]:
        """Return all kernels by id."""
        self._called("inventory", address, "")
        return dict(self.alive)

    async def logs(self, address: str, kernel: str) -> sessions.Logs:
        """Return the kernel's id as its log."""
        self._called("logs", address, kernel)
        if kernel not in self.alive:
            raise errors.AgentRefused("kernel-not-found", "There is no such kernel")
        return sessions.Logs(f"log of {kernel}")

    def _executed(self, first: Execute | None) -> Execution | None:
        if first is None:
            return None
        self.first.append(first)
        return Execution(status=ExecutionStatus.OK, stdout=str(first.code), stderr="")

    def _called(self, name: str, address: str, kernel: str) -> None:
        if address != ADDRESS:
            raise errors.AgentUnreachable
        self.calls.append((name, kernel))
        failures = self.failures.get(name)
        if failures:
            raise failures.pop(0)


class FakeBooks:
    """The lifecycle's books: sessions by id, with kernels by `kernel_of`."""

    def __init__(self) -> None:
        self.status: dict[str, SessionStatus] = {}
        self.kernels: dict[str, KernelStatus] = {}
        self.reason: dict[str, model.Reason] = {}
        self.ends: dict[str, model.End] = {}
        self.kept: dict[str, str] = {}
        self.command: tuple[str, ...] = ()
        self.digest: str | None = None
        self.past: list[tuple[str, SessionStatus]] = []
        self.status_seconds = 0.0
        self.elsewhere: set[str] = set()
        self.released: list[str] = []
        self.pulls: list[agents.AgentImage] = []
        self.pulls_again = 1
        self.generations: dict[str, int] = {}

    def set(self, session: str, status: SessionStatus, *, size: int = 1) -> None:
        """Put a session of so many kernels into a state, and its kernels into that of the same name."""
        self._move(session, status)
        for rank in range(size):
            self.kernels[kernel_of(session, rank)] = KernelStatus(status)

    def restart(self, session: str) -> None:
        """Have the kernels of a running session restarted."""
        self._move(session, SessionStatus.RESTARTING)
        for kernel in self.kernels:
            if session_of(kernel) == session:
                self.kernels[kernel] = KernelStatus.RESTARTING
                self.generations[kernel] = self.generation(kernel) + 1

    def generation(self, kernel: str) -> int:
        """Return how often a kernel was to be restarted."""
        return self.generations.get(kernel, 0)

    async def due(self) -> Sequence[model.Due]:
        """Return kernels that need something and whose session is not claimed elsewhere."""
        idle = {KernelStatus.RUNNING, KernelStatus.TERMINATED}
        return [
            model.Due(AGENT, session_of(kernel), kernel)
            for kernel, status in self.kernels.items()
            if status not in idle and session_of(kernel) not in self.elsewhere
        ]

    async def claim(self, kernel: str) -> model.Work | None:
        """Claim a kernel; SCHEDULED becomes CREATING, unless there is a `digest`: then its image comes first."""
        session = session_of(kernel)
        if session in self.elsewhere:
            return None
        if self.kernels[kernel] is KernelStatus.SCHEDULED and self.digest is None:
            self._create(kernel)
        if self.kernels[kernel] in {KernelStatus.RUNNING, KernelStatus.TERMINATED}:
            return None
        return model.Work(
            session=session,
            status=self.kernels[kernel],
            kernel=kernel,
            agent=AGENT,
            address=ADDRESS,
            status_seconds=self.status_seconds,
            request=agents.KernelCreate(
                session=session,
                image="python:3.11",
                slots=sessions.Slots(),
                command=self.command,
                digest=self.digest,
                generation=self.generation(kernel),
            ),
            source=SOURCE,
            type=SessionType.BATCH if self.command else SessionType.INTERACTIVE,
        )

    async def release_all(self) -> None:
        """Forget what is claimed elsewhere."""
        self.elsewhere.clear()

    async def release(self, work: model.Work) -> None:
        """Note that a claim was given back."""
        self.released.append(work.session)

    async def pulling(self, work: model.Work, image: agents.AgentImage) -> None:
        """SCHEDULED -> PULLING; what was told is kept in `pulls`."""
        self.pulls.append(image)
        self.kernels[work.kernel] = KernelStatus.PULLING
        if self.status[work.session] is SessionStatus.SCHEDULED:
            self._move(work.session, SessionStatus.PULLING)

    async def pulled(self, work: model.Work, image: agents.AgentImage) -> bool:
        """SCHEDULED or PULLING -> CREATING; False if it is to end meanwhile."""
        if self.kernels[work.kernel] not in {KernelStatus.SCHEDULED, KernelStatus.PULLING}:
            return False
        self.pulls.append(image)
        self._create(work.kernel)
        return True

    async def pull_again(self, work: model.Work) -> bool:
        """CREATING -> PULLING, `pulls_again` times."""
        if self.kernels[work.kernel] is not KernelStatus.CREATING or not self.pulls_again:
            return False
        self.pulls_again -= 1
        self.kernels[work.kernel] = KernelStatus.PULLING
        return True

    async def running(self, work: model.Work, isolation: IsolationLevel) -> Ran | None:
        """CREATING or RESTARTING -> RUNNING, and with the last kernel the session; None if it is neither any more."""
        begins = self.kernels[work.kernel] in {KernelStatus.CREATING, KernelStatus.RESTARTING}
        if not begins or work.request.generation != self.generation(work.kernel):
            return None
        self.kernels[work.kernel] = KernelStatus.RUNNING
        if not self._all(work.session, KernelStatus.RUNNING):
            return Ran(isolation)
        self._move(work.session, SessionStatus.RUNNING)
        return Ran(isolation, EPOCH)

    async def ending(
        self, kernel: str, end: model.End, actor: str, *, generation: int
    ) -> Sequence[model.Due]:
        """Make the session of a kernel TERMINATING, with all its kernels; none if it was not before that."""
        session = session_of(kernel)
        before = SESSION_LIVE - {SessionStatus.PENDING, SessionStatus.TERMINATING}
        if self.status.get(session) not in before or generation != self.generation(kernel):
            return []
        self.reason[session] = end.reason
        self.ends[session] = end
        self._move(session, SessionStatus.TERMINATING)
        ended = [each for each in self.kernels if session_of(each) == session]
        self.kernels.update(dict.fromkeys(ended, KernelStatus.TERMINATING))
        return [model.Due(AGENT, session, each) for each in ended]

    async def keep_logs(self, session: str, logs: sessions.Logs) -> None:
        """Keep what a session has written; what was kept first stays."""
        self.kept.setdefault(session, logs.text)

    async def ended(self, work: model.Work) -> Over | None:
        """TERMINATING -> TERMINATED, and with the last kernel the session."""
        self.kernels[work.kernel] = KernelStatus.TERMINATED
        if not self._all(work.session, KernelStatus.TERMINATED):
            return None
        self._move(work.session, SessionStatus.TERMINATED)
        return Over(EPOCH, self.reason.get(work.session), SessionResult.SUCCESS)

    def _create(self, kernel: str) -> None:
        """Let a kernel be created, and its session with it."""
        self.kernels[kernel] = KernelStatus.CREATING
        session = session_of(kernel)
        if self.status[session] in {SessionStatus.SCHEDULED, SessionStatus.PULLING}:
            self._move(session, SessionStatus.CREATING)

    def _move(self, session: str, status: SessionStatus) -> None:
        self.status[session] = status
        self.past.append((session, status))

    def _all(self, session: str, status: KernelStatus) -> bool:
        return {now for each, now in self.kernels.items() if session_of(each) == session} == {
            status
        }


class Recorder:
    """The ports `Driver` and `News`: notes who was told what."""

    has_turn = True

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []

    def drive(self, agent: str, session: str, kernel: str, *, watch: Watch | None = None) -> None:
        """Note the session of a kernel to look after."""
        self.told.append(("drive", session))
        if watch is not None:
            watch.wake.set()

    @contextlib.contextmanager
    def expecting(self, session: str, watch: Watch) -> Iterator[None]:
        """Note a session that is expected."""
        self.told.append(("expecting", session))
        yield

    def go_on(self, work: model.Work, *, watch: Watch | None = None) -> None:
        """Note the session of a kernel that has begun."""
        self.told.append(("go on", work.session))
        if watch is not None:
            watch.wake.set()

    def created(self, session: str) -> None:
        """Note a session that waits."""
        self.told.append(("created", session))

    def forced(self, session: str) -> None:
        """Note a session that was ended by force."""
        self.told.append(("forced", session))

    def ended(self, session: str) -> None:
        """Note a session of which a kernel ended."""
        self.told.append(("ended", session))

    def freed(self, session: str) -> None:
        """Note a session that ended."""
        self.told.append(("freed", session))


def kernel_of(session: str, rank: int = 0) -> str:
    """Return the main kernel of a session, or one beside it."""
    return f"kernel-{rank}-of-{session}" if rank else f"kernel-of-{session}"


def session_of(kernel: str) -> str:
    """Return the session of a kernel."""
    return kernel.rpartition("-of-")[2]
