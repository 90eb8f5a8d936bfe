"""`Supervisor`: one run of the harness, from the runner's side.

It starts the reaper, talks to the spawners through `branch`, hands out `scope`s, and knows the first
process that died unasked. It starts no task: everything happens on the loop that opened it, whenever that
loop runs.
"""

import asyncio
import contextlib
import warnings
from collections.abc import Collection, Sequence
from types import TracebackType
from typing import Self

from shakeout import settings as settings_module
from shakeout.process import directories, errors, protocol, sweep
from shakeout.process.branch import Branch
from shakeout.process.handle import Process
from shakeout.process.launch import Reaper
from shakeout.process.logs import LogLine
from shakeout.process.scope import Scope
from shakeout.process.spawn import Program
from shakeout.process.zygote import Zygote
from shakeout.settings import RUN, Settings

OPEN_SECONDS_MAX = 10.0
CLOSE_SECONDS_MAX = 30.0


class Supervisor:
    """Owns the reaper and, through it, every process of the run. An async context manager.

    When this process ends, in whatever way, so does everything that was started.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.run_id = directories.new_run_id()
        self.run_directory = settings.home / self.run_id
        self.failure: errors.ProcessError | None = None
        self._failed = asyncio.Event()
        self._closing = False
        self._reaper: Reaper | None = None
        self._spawner: Branch | None = None
        self._zygote: Zygote | None = None
        self._zygote_starting = asyncio.Lock()
        self._preloaded: list[str] = []
        self._shared = self.scope("shared")

    @classmethod
    async def open(cls, settings: Settings | None = None) -> Self:
        """Start a run; returns when programs can be started. Raises HarnessDied, DirectoryRefused."""
        supervisor = cls(settings or settings_module.read())
        try:
            supervisor._launch()
            await supervisor._ready()
        except BaseException:
            await supervisor.close()
            raise
        return supervisor

    async def start(self, program: Program) -> Process:
        """Start a program that lives until it is stopped or the run ends. As `Scope.start`."""
        return await self._shared.start(program)

    def scope(self, name: str) -> Scope:
        """Make a scope for processes that end together; `name` shows in ps."""
        return Scope(
            name,
            self.run_directory,
            self._marks(),
            spawner=self._the_spawner,
            zygote=self._the_imported_zygote,
            preload=self._preload,
        )

    async def preload(self, modules: Sequence[str]) -> None:
        """As `Scope.preload`, for what `start` starts."""
        await self._shared.preload(modules)

    async def preloaded(self) -> None:
        """Wait until all modules are imported, of all scopes. Raises ImportFailed, HarnessDied."""
        await self._the_imported_zygote(self._preloaded)

    async def failed(self) -> errors.ProcessError:
        """Wait for the first death that nobody expected: ComponentDied, or HarnessDied.

        After HarnessDied this supervisor starts nothing more: close it.
        """
        await self._failed.wait()
        assert self.failure is not None
        return self.failure

    def forget_failure(self) -> None:
        """Watch for a first death again, after the failed cluster was stopped."""
        self.failure = None
        self._failed.clear()

    async def close(self) -> None:
        """End the run; returns when no process and no directory of it is left."""
        self._closing = True
        if self._reaper is not None:
            await self._reaper.close()
        if self._spawner is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_SECONDS_MAX):
                    await self._spawner.gone()
            self._spawner.drop()
        if self._zygote is not None:
            self._zygote.branch.drop()
        if self.run_directory.exists():
            await asyncio.to_thread(sweep.after, self.run_directory)
        self._reaper = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    def __del__(self) -> None:
        if self._reaper is not None:
            warnings.warn(f"{self.run_id} was never closed", ResourceWarning, 1)

    def _launch(self) -> None:
        ours, theirs = protocol.pair()
        self._spawner = Branch("spawner", ours, self.note_exit)
        with theirs:
            self._reaper = Reaper(self.settings, self.run_id, theirs, self._lose)

    async def _ready(self) -> None:
        assert self._reaper is not None
        try:
            async with asyncio.timeout(OPEN_SECONDS_MAX):
                await self._reaper.ready()
        except TimeoutError as error:
            raise errors.HarnessDied("reaper", f"silent for {OPEN_SECONDS_MAX:g} s") from error

    async def _the_spawner(self, _modules: Collection[str] = ()) -> Branch:
        if self._spawner is None or not self._spawner.open:
            raise errors.HarnessDied("spawner")
        return self._spawner

    async def _the_zygote(self) -> Zygote:
        """The zygote; a new one, with the same imports, if it was killed."""
        async with self._zygote_starting:
            if self._zygote is None or not self._zygote.branch.open:
                spawner = await self._the_spawner()
                failed = self._zygote.problems if self._zygote else {}
                self._preloaded = [one for one in self._preloaded if one not in failed]
                environment = {**self.settings.inherited, **self._marks()}
                self._zygote = await Zygote.start(
                    spawner, self.run_directory, environment, self.note_exit
                )
                await self._zygote.preload(self._preloaded)
            return self._zygote

    async def _preload(self, modules: Sequence[str]) -> None:
        """Begin to import what is not imported yet; what could not be is tried again."""
        zygote = await self._the_zygote()
        self._preloaded = [one for one in self._preloaded if one not in zygote.problems]
        new = [module for module in modules if module not in self._preloaded]
        if new:
            self._preloaded += new
            await zygote.preload(new)

    async def _the_imported_zygote(self, modules: Collection[str]) -> Branch:
        zygote = await self._the_zygote()
        await zygote.imported(modules)
        return zygote.branch

    def _marks(self) -> dict[str, str]:
        temporary = self.run_directory / directories.TEMPORARY
        return {RUN: self.run_id, "TMPDIR": str(temporary)}

    def _lose(self, name: str, detail: str) -> None:
        self._fail(errors.HarnessDied(name, detail))

    def note_exit(self, process: Process) -> None:
        """Hear of the end of a process; those on a spawner that was given away and came back, too."""
        if process.exit is not None and not process.exit_expected:
            lines: Sequence[LogLine] = ()
            try:
                lines = process.last_lines()
            finally:  # whatever is wrong with the log, the death counts
                self._fail(errors.ComponentDied(process.name, process.exit, lines))

    def _fail(self, failure: errors.ProcessError) -> None:
        """Keep the first failure; but a death of the harness explains all others."""
        known, new = (isinstance(each, errors.HarnessDied) for each in (self.failure, failure))
        if not self._closing and (self.failure is None or (new and not known)):
            self.failure = failure
            self._failed.set()
