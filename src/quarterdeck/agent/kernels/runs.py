"""The runs of a kernel, by id: what waits for its turn, what runs, and for a while what came of those that have ended.

Driven by `process`, which speaks with the kernel; watched by whoever waits for news.
"""

import asyncio
from collections import deque
from collections.abc import Callable

from quarterdeck.agent.kernels import messages
from quarterdeck.agent.kernels.errors import (
    InputNotWanted,
    KernelBusy,
    RunConflict,
    RunForgotten,
    RunNotFound,
    TooManyWatchers,
)
from quarterdeck.agent.kernels.record import Kind, Part, Record
from quarterdeck.base.errors import QuarterdeckError
from quarterdeck.base.tasks import Wake
from quarterdeck.wire.executions import (
    Display,
    Execute,
    Execution,
    ExecutionError,
    ExecutionStatus,
    Question,
)

WAITING_RUNS_MAX = 16
"""Together with the one that runs."""
ENDED_RUNS_MAX = 64
ENDED_CHARACTERS_MAX = 2**23
IDS_MAX = 4096
WATCHERS_MAX = 64


class Run:
    """One piece of code or command. `outcome` is there when it has ended, `failure` if its kernel ended first.

    `resumed`: an earlier agent began with it.
    """

    def __init__(self, id_: str, given: Execute) -> None:
        self.id = id_
        self.given = given
        self.resumed = False
        self.record = Record()
        self.outcome: messages.Done | None = None
        self.failure: QuarterdeckError | None = None
        self.data: dict[str, str] = {}
        self.question = 0
        self.answered = 0
        self._watchers: set[Wake] = set()

    @property
    def ended(self) -> bool:
        """Whether it has ended, in whatever way."""
        return self.outcome is not None or self.failure is not None

    @property
    def asks(self) -> bool:
        """Whether it waits for input."""
        return self.question > self.answered and not self.ended

    async def settled(self, seconds: float | None) -> None:
        """Return when it has ended or asks for input, or when time is up. Raises `TooManyWatchers`."""
        await self._until(lambda: self.ended or self.asks, seconds)

    async def news(self, offset: int, seconds: float) -> None:
        """Return when there is something after an offset, or it has ended or asks for input, or when time is up. Raises `TooManyWatchers`."""
        await self._until(lambda: self.ended or self.asks or self.record.written > offset, seconds)

    async def more(self, offset: int, asked: int) -> None:
        """Return when there is something after an offset, or it has ended or asks for more than so many inputs. Raises `TooManyWatchers`."""
        await self._until(
            lambda: (
                self.ended or self.record.written > offset or (self.asks and self.question > asked)
            ),
            None,
        )

    def write(self, kind: Kind, text: str) -> None:
        """Take output."""
        self.record.write(kind, text)
        self._tell()

    def show(self, data: dict[str, str], *, result: bool = False) -> None:
        """Take something shown; `result`: it is the value of the last expression."""
        if result:
            self.data = data
            return
        self.record.show(data)
        self._tell()

    def ask(self, number: int) -> None:
        """Take note that it wants input; 0: that it does no more."""
        self.question = number
        self._tell()

    def answer(self, number: int) -> bool:
        """Take note of input; tell whether it is new. Raises `InputNotWanted`."""
        if number <= self.answered:
            return False
        if number != self.question or self.ended:
            raise InputNotWanted
        self.answered = number
        return True

    def take_over(self, found: "Run") -> None:
        """Be a run that was found to be this one, with what it has said until now."""
        self.resumed, self.record, self.data = True, found.record, found.data
        self.question, self.answered = found.question, found.answered
        self._tell()

    def end(self, outcome: messages.Done) -> None:
        """Take note of its end."""
        self.outcome = outcome
        self._tell()

    def fail(self, failure: QuarterdeckError) -> None:
        """Take note that its kernel has ended."""
        self.failure = failure
        self._tell()

    def report(self, offset: int = 0, most: int | None = None) -> Execution:
        """Return what is known from an offset on; with `most`, about so many characters of output."""
        part = self.record.read(offset, most)
        done = self.outcome
        return Execution(
            status=self._status(),
            stdout=part.text(Kind.STDOUT),
            stderr=part.text(Kind.STDERR),
            result=None if done is None else done.result,
            error=self._error(),
            truncated=self.resumed
            or bool(part.skipped)
            or part.offset < self.record.written
            or (done is not None and done.truncated),
            run=self.id,
            offset=part.offset,
            written=self.record.written,
            skipped=part.skipped,
            question=Question(self.question) if self.asks else None,
            exit_code=None if done is None else done.exit_code,
            data=self.data if done is not None else {},
            displays=_displays(part),
            order=part.order(),
        )

    def _status(self) -> ExecutionStatus:
        if self.outcome is not None:
            return ExecutionStatus(self.outcome.status)
        if self.failure is not None:
            return ExecutionStatus.ERROR
        return ExecutionStatus.WAITING_INPUT if self.asks else ExecutionStatus.CONTINUED

    def _error(self) -> ExecutionError | None:
        if self.failure is not None:
            return ExecutionError(type(self.failure).__name__, self.failure.detail, "")
        return None if self.outcome is None else self.outcome.error

    def _tell(self) -> None:
        for wake in self._watchers:
            wake.set()

    async def _until(self, condition: Callable[[], bool], seconds: float | None) -> None:
        if condition():
            return
        if len(self._watchers) >= WATCHERS_MAX:
            raise TooManyWatchers
        loop, wake = asyncio.get_running_loop(), Wake()
        deadline = None if seconds is None else loop.time() + seconds
        self._watchers.add(wake)
        try:
            while not condition():
                left = None if deadline is None else deadline - loop.time()
                if not await wake.wait(left):
                    return
        finally:
            self._watchers.discard(wake)


class Runs:
    """All runs of one kernel."""

    def __init__(self) -> None:
        self.current: Run | None = None
        self._waiting: deque[Run] = deque()
        self._known: dict[str, Run] = {}
        self._ended: deque[Run] = deque()
        self._ended_size = 0
        self._ids: dict[str, None] = {}

    def find(self, id_: str) -> Run:
        """Return a run. Raises `RunNotFound`, `RunForgotten`."""
        run = self._known.get(id_)
        if run is None:
            raise RunForgotten if id_ in self._ids else RunNotFound
        return run

    def add(self, id_: str, given: Execute) -> Run:
        """Add a run to those that wait; the same again is returned as it is. Raises `KernelBusy`, `RunConflict`, `RunForgotten`."""
        if id_ in self._ids:
            run = self.find(id_)
            if not run.resumed and not _same(run.given, given):
                raise RunConflict
            return run
        if len(self._waiting) + (self.current is not None) >= WAITING_RUNS_MAX:
            raise KernelBusy
        run = Run(id_, given)
        self._known[id_] = run
        self._ids[id_] = None
        if len(self._ids) > IDS_MAX:
            del self._ids[next(each for each in self._ids if each not in self._known)]
        self._waiting.append(run)
        return run

    def resume(self) -> Run:
        """Make the current one of what an earlier agent may have begun with, to be named. What it is, and wrote until now, is not known."""
        self.current = run = Run("", Execute(""))
        run.resumed = True
        return run

    def name(self, found: Run, id_: str) -> Run:
        """Give the run that was resumed its id; return the one that is it now: it may have been asked for again meanwhile."""
        asked = self._known.get(id_)
        if asked is not None and asked in self._waiting:
            self._waiting.remove(asked)
            asked.take_over(found)
            self.current = asked
            return asked
        found.id = id_
        self._known[id_] = found
        self._ids[id_] = None
        return found

    def next(self) -> Run | None:
        """Make the next one the current one, if none is; return it."""
        if self.current is not None or not self._waiting:
            return None
        self.current = self._waiting.popleft()
        return self.current

    def end(self, run: Run, outcome: messages.Done) -> None:
        """Take note that one has ended, or will not run."""
        if run is self.current:
            self.current = None
        else:
            self._waiting.remove(run)
        run.end(outcome)
        self._keep(run)

    def follow(self, earlier: "Runs") -> None:
        """Run nothing again that was asked of the kernel before it was restarted: none of it is there any more."""
        both = earlier._ids | self._ids  # noqa: SLF001 - one of the same kind
        self._ids = dict.fromkeys(tuple(both)[-IDS_MAX:])

    def forget(self, run: Run) -> None:
        """Take note that the current one was over before this agent came: what came of it is not known."""
        self.current = None
        self._known.pop(run.id, None)
        run.fail(RunForgotten())

    def fail(self, failure: QuarterdeckError) -> None:
        """Take note that the kernel has ended, and with it all that has not."""
        current, self.current = self.current, None
        for run in filter(None, (current, *self._waiting)):
            run.fail(failure)
            self._keep(run)
        self._waiting.clear()

    def _keep(self, run: Run) -> None:
        self._ended.append(run)
        self._ended_size += run.record.size
        while len(self._ended) > 1 and (
            len(self._ended) > ENDED_RUNS_MAX or self._ended_size > ENDED_CHARACTERS_MAX
        ):
            oldest = self._ended.popleft()
            self._ended_size -= oldest.record.size
            self._known.pop(oldest.id, None)


def _same(one: Execute, other: Execute) -> bool:
    return (one.code, one.command) == (other.code, other.command)


def _displays(part: Part) -> tuple[Display, ...]:
    return tuple(Display(dict(piece.data)) for piece in part.pieces if piece.data is not None)
