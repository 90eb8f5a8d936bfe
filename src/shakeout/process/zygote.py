"""`Zygote`: the runner's handle of the spawner that has imported the heavy modules."""

import asyncio
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

from shakeout.process import errors, launch, logs, protocol
from shakeout.process.branch import Branch
from shakeout.process.handle import Process
from shakeout.process.protocol import Message
from shakeout.process.spawn import Program

NAME = "zygote"
IMPORT_SECONDS_MAX = 60.0
"""All modules together. One that waits for something would hold up every boot for ever."""

_BOOT = (
    "import sys; sys.path.insert(0, sys.argv.pop(1)); "
    "from shakeout.process import preload; preload.main()"
)


class Zygote:
    """A Python process that imports modules once and is forked for each component after that."""

    def __init__(self, branch: Branch, log: Path) -> None:
        self.branch = branch
        self._outstanding = 0
        self._log = log
        self.problems: dict[str, errors.ImportFailed] = {}
        self._death: errors.HarnessDied | None = None
        self._idle = asyncio.Event()
        self._idle.set()

    @classmethod
    async def start(
        cls,
        spawner: Branch,
        directory: Path,
        environment: Mapping[str, str],
        on_exit: Callable[[Process], None],
    ) -> "Zygote":
        """Start the interpreter; what it prints while importing goes to <run>/zygote/log.

        `on_exit` is called for each process that ends on a spawner forked from it.
        """
        own = directory / NAME
        own.mkdir(exist_ok=True)
        ours, theirs = protocol.pair()
        branch = Branch(NAME, ours, on_exit)
        argv = (sys.executable, "-c", _BOOT, str(launch.package_root()), str(directory))
        program = Program(NAME, own, own / "log", argv=argv, sockets=(theirs,), exit_expected=True)
        try:
            await spawner.spawn(program, environment)
        except BaseException:
            branch.drop()
            raise
        finally:
            theirs.close()
        return cls(branch, program.log)

    async def preload(self, modules: Sequence[str]) -> None:
        """Begin to import; `imported` waits for the end of it."""
        self._outstanding += 1
        self._idle.clear()
        for module in modules:
            self.problems.pop(module, None)
        reply = await self.branch.preload(list(modules), _import_path())
        reply.add_done_callback(self._note)

    async def imported(self, modules: Collection[str]) -> None:
        """Wait until all is imported. Raises ImportFailed for one of these modules, HarnessDied."""
        try:
            async with asyncio.timeout(IMPORT_SECONDS_MAX):
                await self._idle.wait()
        except TimeoutError:
            told = f"it has not ended within {IMPORT_SECONDS_MAX:g} s\n{self._said()}"
            raise errors.ImportFailed(" or ".join(sorted(modules)), told) from None
        if self._death is not None:
            raise self._death
        for module, problem in self.problems.items():
            if module in modules:
                raise problem

    def _note(self, reply: asyncio.Future[Message]) -> None:
        self._outstanding -= 1
        if reply.cancelled() or reply.exception() is not None:
            self._death = errors.HarnessDied(NAME, f"while importing\n{self._said()}")
        else:
            for module, traceback in reply.result()["failed"].items():
                self.problems[module] = errors.ImportFailed(module, traceback)
        if self._outstanding == 0:
            self._idle.set()

    def _said(self) -> str:
        return "\n".join(line.raw for line in logs.tail(self._log, errors.LINES_SHOWN))


def _import_path() -> list[str]:
    return [str(Path(entry).absolute()) for entry in sys.path]
