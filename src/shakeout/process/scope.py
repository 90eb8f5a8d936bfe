"""`Scope`: processes that end together, with everything they started."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path

from shakeout.process import directories, errors
from shakeout.process.branch import Branch
from shakeout.process.handle import Process
from shakeout.process.spawn import Program
from shakeout.settings import RUN

Parent = Callable[[Collection[str]], Awaitable[Branch]]
"""Gives a spawner that has imported these modules, or raises ImportFailed."""
Preload = Callable[[Sequence[str]], Awaitable[None]]


class Scope:
    """The processes of one cluster, say. `stop` leaves none, whatever they forked or orphaned.

    Executables hang on a spawner of the scope's own, calls on a fork of the zygote; both are made when
    first needed.
    """

    def __init__(
        self,
        name: str,
        run_directory: Path,
        marks: Mapping[str, str],
        *,
        spawner: Parent,
        zygote: Parent,
        preload: Preload,
    ) -> None:
        self.name = name
        self.processes: list[Process] = []
        self._run_directory = run_directory
        self._marks = marks
        self._parents = {"exec": spawner, "call": zygote}
        self._preload = preload
        self._modules: set[str] = set()
        self._branches: dict[str, Branch] = {}
        self._making = {"exec": asyncio.Lock(), "call": asyncio.Lock()}

    async def preload(self, modules: Sequence[str]) -> None:
        """Begin to import modules for the programs that are calls; returns without waiting.

        The first start of a call waits for the imports, and raises ImportFailed if these failed; what
        was asked for in other scopes does not matter here.
        """
        self._modules |= set(modules)
        await self._preload(modules)

    async def start(self, program: Program) -> Process:
        """Start a program. Makes its directory and the log's if missing.

        Raises StartFailed (ExecutableMissing, ExecutableRefused, ImportFailed, ...), HarnessDied. That
        it crashes afterwards is not seen here, but by `Process.wait` and `Supervisor.failed`.
        """
        for directory in (program.directory, program.log.parent):
            self._make(directory)
        branch = await self._branch("call" if program.call else "exec")
        process = await branch.spawn(program, self._environment(program))
        self.processes = [each for each in self.processes if each.running]
        self.processes.append(process)
        return process

    async def stop(self, within: float = 0.0) -> None:
        """End all: asked to first if `within` seconds are given, then killed with their descendants."""
        if within > 0:
            await _stop_all(self.processes, within)
        for process in self.processes:
            process.expect_exit()
        async with asyncio.TaskGroup() as tasks:
            for branch in self._branches.values():
                tasks.create_task(branch.close())
        self._branches.clear()

    async def complete(self) -> None:
        """Make all spawners that the scope can have, so that it can be handed over."""
        for kind in self._parents:
            await self._branch(kind)

    def found(self, process: Process) -> tuple[str, int]:
        """On which kind of spawner a process hangs, and its number there. Raises KeyError when it has ended."""
        for kind, branch in self._branches.items():
            if process.pid in (numbers := branch.numbers()):
                return kind, numbers[process.pid]
        raise KeyError(process.name)

    def let_go(self) -> dict[str, tuple[socket.socket, int]]:
        """Give all spawners away: by kind the channel and the number to go on with.

        Raises HarnessDied when one is no more; none is given away then.
        """
        for branch in self._branches.values():
            branch.require()
        branches, self._branches = self._branches, {}
        self.processes = []
        return {kind: branch.let_go() for kind, branch in branches.items()}

    def drop(self) -> None:
        """Close the channels of all spawners without waiting for anything."""
        for branch in self._branches.values():
            branch.drop()

    def take_over(self, kind: str, branch: Branch) -> None:
        """Go on with a spawner that another scope let go of."""
        self._branches[kind] = branch

    def adopt(self, kind: str, number: int, pid: int, program: Program) -> Process:
        """Go on with a process that hangs on a spawner taken over."""
        process = self._branches[kind].adopt(number, pid, program)
        self.processes.append(process)
        return process

    async def _branch(self, kind: str) -> Branch:
        async with self._making[kind]:
            found = self._branches.get(kind)
            if found is None or not found.open:
                parent = await self._parents[kind](self._modules)
                found = self._branches[kind] = await parent.nest(self.name)
            return found

    def _make(self, directory: Path) -> None:
        """Make a directory, but never again that of a run which has ended: nobody would remove it."""
        try:
            directories.make_below(self._run_directory, directory)
        except FileNotFoundError as error:
            raise errors.HarnessDied("reaper", f"{self._run_directory} is gone") from error

    def _environment(self, program: Program) -> dict[str, str]:
        return {**self._marks, **program.environment, RUN: self._marks[RUN]}


async def _stop_all(processes: Iterable[Process], within: float) -> None:
    """End processes side by side: SIGTERM and `within` seconds, then SIGKILL."""
    async with asyncio.TaskGroup() as tasks:
        for process in processes:
            tasks.create_task(process.stop(within))
