"""`Process`: the runner's handle of one process that a spawner starts."""

import asyncio
import signal as signals
from collections.abc import Awaitable, Callable, Sequence

from shakeout.process import errors, logs
from shakeout.process.logs import LogLine
from shakeout.process.spawn import Exit, Program


class Process:
    """A process that runs or has run; `exit` is None while it runs.

    An exit is a failure of the run unless it is expected: its program says so, or `expect_exit` was
    called before (stop and kill do).
    """

    def __init__(self, program: Program, send: Callable[[int], Awaitable[object]]) -> None:
        self.name = program.name
        self.log = program.log
        self.pid = 0
        self.exit: Exit | None = None
        self.exit_expected = program.exit_expected
        self._send = send
        self._ended = asyncio.Event()

    def __repr__(self) -> str:
        return f"<{self.name}, pid {self.pid}, {self.exit or 'runs'}>"

    @property
    def running(self) -> bool:
        return self.exit is None

    def expect_exit(self) -> None:
        """From now on the exit of this process is no failure."""
        self.exit_expected = True

    async def wait(self) -> Exit:
        """Wait for the end. Does not expect it: an exit may still count as a failure."""
        await self._ended.wait()
        assert self.exit is not None
        return self.exit

    async def signal(self, number: int) -> None:
        """Send a signal to this process alone. Raises NotRunning when it has ended, SignalRefused."""
        if self.exit is not None:
            raise errors.NotRunning(self.name, self.exit)
        await self._send(number)

    async def stop(self, within: float) -> Exit:
        """Ask it to end (SIGTERM), kill it if it has not done so after `within` seconds."""
        self.expect_exit()
        await self._signal_if_running(signals.SIGTERM)
        try:
            async with asyncio.timeout(within):
                return await self.wait()
        except TimeoutError:
            return await self.kill()

    async def kill(self) -> Exit:
        """Kill it (SIGKILL) and wait until it is gone. What it started itself lives on."""
        self.expect_exit()
        await self._signal_if_running(signals.SIGKILL)
        return await self.wait()

    def last_lines(self, count: int = errors.LINES_SHOWN) -> Sequence[LogLine]:
        """Read the last lines of its log."""
        return logs.tail(self.log, count, self.name)

    def has_ended(self, how: Exit) -> None:
        """Take note of the end; called by the branch that the process hangs on."""
        self.exit = how
        self._ended.set()

    async def _signal_if_running(self, number: int) -> None:
        if self.exit is None:
            await self._send(number)
