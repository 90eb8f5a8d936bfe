"""The use cases of runs: started, followed, answered and interrupted by the ids of their kernel and their own. Each may be repeated."""

from collections.abc import AsyncGenerator, Callable

import msgspec

from quarterdeck.agent import ports
from quarterdeck.agent.errors import KernelRestarted
from quarterdeck.agent.kernels.errors import KernelTerminated
from quarterdeck.agent.kernels.runs import Run
from quarterdeck.base.errors import QuarterdeckError
from quarterdeck.wire.executions import (
    WAIT_SECONDS_MAX,
    Complete,
    Completion,
    Execute,
    Execution,
    ExecutionStatus,
    Input,
    Interrupt,
    RunQuery,
)

PIECE_CHARACTERS_MAX = 2**16
"""Of output in one message of a stream: a viewer who is slow keeps no more than that from others."""


class Executions:
    """What is run in kernels. `running` gives a kernel by its id; it raises `KernelNotFound`, `KernelNotRunning`, `KernelTakesNoCode`."""

    def __init__(self, running: Callable[[str], ports.Kernel]) -> None:
        self._running = running

    async def execute(self, kernel: str, id_: str, given: Execute) -> Execution:
        """Start a run, if it is not there yet, and follow it as long as was asked.

        Raises `KernelBusy`, `RunConflict`, `RunForgotten`, and when the kernel ends before the run does `KernelDied`, or
        `KernelTerminated` if it was destroyed, `KernelRestarted`.
        """
        run = self._running(kernel).start(msgspec.structs.replace(given, run=id_))
        await run.settled(WAIT_SECONDS_MAX if given.wait is None else given.wait)
        if run.failure is not None:
            raise self._of_restart(kernel, run.failure)
        return run.report()

    async def look(self, kernel: str, id_: str, query: RunQuery) -> Execution:
        """Return what has come of a run from an offset on, as soon as that is something, or when time is up. Raises `RunNotFound`, `RunForgotten`."""
        run = self._running(kernel).run(id_)
        if query.wait > 0:
            await run.news(query.offset, query.wait)
        if isinstance(run.failure, KernelTerminated):
            raise self._of_restart(kernel, run.failure)
        return run.report(query.offset)

    def stream(self, kernel: str, id_: str, offset: int) -> AsyncGenerator[Execution, None]:
        """Give what comes of a run from an offset on, as it comes, to its end. Raises `RunNotFound`, `RunForgotten`, later `TooManyWatchers`."""
        return _told(self._running(kernel).run(id_), offset)

    def interrupt(self, kernel: str, given: Interrupt) -> None:
        """Interrupt a run, or whatever runs; nothing happens if it has ended. Raises `RunNotFound`, `RunForgotten`."""
        self._running(kernel).interrupt(given.run)

    def reply(self, kernel: str, id_: str, given: Input) -> None:
        """Give a run the input that it asks for. Raises `InputNotWanted`, `RunNotFound`, `RunForgotten`."""
        self._running(kernel).reply(id_, given)

    async def complete(self, kernel: str, given: Complete) -> Completion:
        """Return how code could go on. Raises `KernelBusy`, `KernelDied`, `KernelTerminated`, `KernelRestarted`."""
        try:
            return await self._running(kernel).complete(given)
        except KernelTerminated as error:
            raise self._of_restart(kernel, error) from error

    def _of_restart(self, kernel: str, failure: QuarterdeckError) -> QuarterdeckError:
        """Return why a run has no end: a kernel that was destroyed by request and is still there was restarted."""
        if not isinstance(failure, KernelTerminated):
            return failure
        try:
            self._running(kernel)
        except KernelRestarted as error:
            return error
        except QuarterdeckError:
            return failure
        return KernelRestarted()


async def _told(run: Run, offset: int) -> AsyncGenerator[Execution, None]:
    asked = 0
    while True:
        await run.more(offset, asked)
        seen = run.report(offset, PIECE_CHARACTERS_MAX)
        offset, asked = seen.offset, seen.question.number if seen.question else asked
        if not seen.finished:
            yield seen
        elif offset < seen.written:
            yield _going_on(seen)
        else:
            yield seen
            return


def _going_on(seen: Execution) -> Execution:
    """Return it without the outcome, which belongs to the last piece."""
    status = ExecutionStatus.CONTINUED
    return msgspec.structs.replace(
        seen, status=status, result=None, error=None, exit_code=None, data={}
    )
