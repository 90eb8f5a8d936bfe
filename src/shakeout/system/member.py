"""One member of a cluster: a component or service instance, its place, and its process.

Knows how to start, stop and kill itself; `boot` and `cluster` decide when.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from shakeout.links.links import Front
from shakeout.process import logs, procfs
from shakeout.process.errors import ComponentDied, StartTimedOut
from shakeout.process.handle import Process
from shakeout.process.logs import LogLine
from shakeout.process.ports import PortLease
from shakeout.system import readiness
from shakeout.system.errors import NotRunning
from shakeout.system.host import Host
from shakeout.system.place import Place
from shakeout.system.progress import State
from shakeout.system.runner import ComponentRunner, Runner
from shakeout.system.service import Kills

READY_SECONDS_MAX = 30.0
LINES_SHOWN = 20


class Member:
    """A component or service of one cluster. Not safe for two concurrent starts: see `lock`."""

    def __init__(
        self,
        place: Place,
        runner: Runner,
        addresses: Mapping[str, str],
        leases: Mapping[str, PortLease],
        *,
        needed: bool = True,
        ready_seconds_max: float = READY_SECONDS_MAX,
    ) -> None:
        """`needed` is false for an optional service that nobody has asked for."""
        self.place = place
        self.runner = runner
        self.addresses = addresses
        """Where it listens."""
        self.public = addresses
        """Where components reach it: the same, unless there are links between."""
        self.fronts: tuple[Front, ...] = ()
        self.leases = leases
        self.ready_seconds_max = ready_seconds_max
        self.needed = needed
        self.state = State.WAITING if needed else State.IDLE
        self.process: Process | None = None
        self.lock = asyncio.Lock()

    @property
    def name(self) -> str:
        """`manager`, or `agent-2` when there are several."""
        return self.place.name

    @property
    def is_component(self) -> bool:
        """Whether it belongs to the system under test, and is no service."""
        return isinstance(self.runner, ComponentRunner)

    @property
    def running(self) -> bool:
        """Whether its process lives."""
        return self.process is not None and self.process.exit is None

    @property
    def condition(self) -> str:
        """Where it stands, in words: `is ready`, `is stopped`; of one that ended by itself how: `exited with code 3`."""
        if self.process is not None and self.process.exit and self.state is not State.STOPPED:
            return str(self.process.exit)
        return f"is {self.state}"

    @property
    def log(self) -> Path:
        """File with all that it wrote, over all its starts."""
        return self.place.directory / "log"

    async def launch(self, host: Host) -> None:
        """Start the process without waiting until it answers.

        Its end is no failure of the run before `reach_ready`, which tells it.
        """
        self.state = State.FAILED
        self.process = await host.introduce(self.name, self._launch(host))
        self.state = State.STARTING

    async def reach_ready(self) -> None:
        """Wait until it answers.

        Raises ComponentDied at once when it ends instead, StartTimedOut at the deadline.
        """
        process = self._started()
        async with asyncio.TaskGroup() as group:
            ending = group.create_task(process.wait())
            asking = group.create_task(self._missing())
            await asyncio.wait({ending, asking}, return_when=asyncio.FIRST_COMPLETED)
            ending.cancel()
            asking.cancel()
        if process.exit is not None:
            self.state = State.FAILED
            raise ComponentDied(self.name, process.exit, self.last_lines())
        if reason := asking.result():
            self.state = State.FAILED
            raise StartTimedOut(self.name, self.ready_seconds_max, reason, self.last_lines())
        process.exit_expected = False
        self.state = State.READY

    async def stop(self, *, gracefully: bool) -> None:
        """End the process if it runs; its place stays for the next start."""
        if self.process is not None:
            self.process.expect_exit()
            if self.process.exit is None:
                await self.runner.stop(self.process, gracefully=gracefully)
        self.state = State.STOPPED

    async def kill(self) -> None:
        """SIGKILL; return when it is dead. Raises NotRunning when it is already, and that it died stays a death."""
        process = self._started()
        if _has_ended(process):
            await process.wait()
            raise NotRunning(self.name, self.condition)
        process.expect_exit()
        if isinstance(self.runner, Kills):
            await self.runner.kill(process)
        else:
            await process.kill()
        self.state = State.STOPPED

    def last_lines(self) -> list[LogLine]:
        """The end of its log."""
        return logs.tail(self.log, LINES_SHOWN, self.name)

    def release(self) -> None:
        """Give its ports back."""
        for lease in self.leases.values():
            lease.release()

    def _launch(self, host: Host) -> Callable[[], Awaitable[Process]]:
        return lambda: self.runner.launch(self.place, host)

    async def _missing(self) -> str:
        return await readiness.missing(
            lambda: self.runner.probe(self.place), self.ready_seconds_max
        )

    def _started(self) -> Process:
        if self.process is None:
            raise NotRunning(self.name, self.condition)
        return self.process


def _has_ended(process: Process) -> bool:
    """By the kernel's own word, which comes before the spawner's."""
    found = procfs.stat(process.pid)
    return process.exit is not None or found is None or not found.alive
