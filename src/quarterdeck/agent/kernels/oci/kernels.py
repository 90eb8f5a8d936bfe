"""Kernels in containers as the agent has them: made by a zygote of their own that starts with the first, ended with nothing of them left.

A part of the port `Kernels`; `levels` puts it together with the kernels that have no image.
"""

import asyncio
import dataclasses
import logging
from collections.abc import Callable, Collection
from pathlib import Path

from quarterdeck.agent.kernels import scratch
from quarterdeck.agent.kernels.errors import AgentLeft, KernelNotStarted, KernelTerminated
from quarterdeck.agent.kernels.leftovers import Leftovers
from quarterdeck.agent.kernels.oci import cgroups, container
from quarterdeck.agent.kernels.oci.launcher import ContainerLauncher
from quarterdeck.agent.kernels.oci.pool import Missing, Pool
from quarterdeck.agent.kernels.oci.waiting import Waiting
from quarterdeck.agent.kernels.process import KernelProcess
from quarterdeck.agent.kernels.spec import Exit, KernelSpec
from quarterdeck.base import tasks
from quarterdeck.base.errors import QuarterdeckError

LAUNCH_SECONDS_MAX = 10.0
"""A zygote of containers must be ready by then; else it is ended, and the next kernel has another one launched."""
START_SECONDS_MAX = 60.0
"""What an image runs must be ready for code by then."""
FILL_SECONDS_MAX = 10.0
"""A container that does not wait by then never will."""
FILL_PAUSE_SECONDS = 0.1
"""Before each: whoever had one made does something with it now."""
LOOK_SECONDS = 1.0
"""How often to look whether what waits is still to wait."""
LIMIT_BYTES_MAX = 200
REMOVALS_MAX = 50
REMOVAL_PAUSE_SECONDS = 0.02

_log = logging.getLogger(__name__)


class Containers:
    """Makes kernels in containers. `why_not` says in words why there can be none on this machine; empty: there can."""

    def __init__(
        self,
        launch: Callable[[], ContainerLauncher],
        *,
        directory: Callable[[str], Path],
        group: str,
        why_not: str = "",
        found: ContainerLauncher | None = None,
        pool: Pool | None = None,
    ) -> None:
        """`launch` launches a zygote. `directory`: where a kernel's directory is. `found`: the zygote of an earlier life, which tells by itself what is `explained`. `group`: the control group of all. `pool`: containers that wait, see `fill`."""
        self.why_not = why_not
        self._launch = launch
        self._group = group
        self._launching = asyncio.Lock()
        self._launcher = found
        self._left = False
        self._pool = pool
        self._leftovers = Leftovers(scratch.remove_tree)
        self._wake = tasks.Wake()
        self._wanted: set[str] = set()
        """Kernels of which nothing is made yet, and which nobody has ended."""
        self._directories: dict[str, Path] = {}
        self._groups: dict[str, str] = {}
        """The control groups of kernels that have not their own names."""
        if found is not None:
            self._directories = {id_: directory(id_) for id_ in found.held()}
            self._groups = {id_: _group(one) for id_, one in self._directories.items()}

    async def spawn(self, spec: KernelSpec, on_exit: Callable[[Exit], None]) -> KernelProcess:
        """Make a kernel in a container. Raises `KernelNotStarted`, `KernelTerminated`, `ForkServerDied`, `AgentLeft`."""
        if self.why_not or spec.image is None:
            raise KernelNotStarted(self.why_not, code="isolation-unsupported")
        self._directories[spec.id] = Path(spec.directory)
        self._wanted.add(spec.id)
        bytecode = self._pool.bytecode(spec) if self._pool else ""
        image = dataclasses.replace(spec.image, group=self._group, bytecode=bytecode)
        grouped = dataclasses.replace(spec, image=image)
        try:
            launcher = await self._ready()
            kernel = await self._claimed(grouped, on_exit)
            if kernel is None and spec.id not in self._wanted:
                on_exit(Exit())
                raise KernelTerminated
            kernel = kernel or await _spawned(launcher, grouped, on_exit)
        finally:
            self._wanted.discard(spec.id)
            self._wake.set()
        if self._pool is not None:
            self._pool.note(grouped)
        return kernel

    def __contains__(self, id_: str) -> bool:
        return id_ in self._directories

    async def fill(self) -> None:
        """Have containers wait for kernels that may come, and end those that need not. Never returns: for a background."""
        await tasks.every(LOOK_SECONDS, self._look, name="containers that wait", wake=self._wake)

    async def kill(self, id_: str) -> bool:
        """End a kernel and what is left of it; tell whether it is one of these. Raises `AgentLeft`."""
        if id_ not in self._directories:
            return False
        self._wanted.discard(id_)
        if self._launcher is not None:
            await self._launcher.kill(id_)
        await self._remove_group(self._groups.get(id_) or id_)
        self._directories.pop(id_, None)
        self._groups.pop(id_, None)
        return True

    def held(self) -> Collection[str]:
        """Return the kernels of an earlier life."""
        return self._launcher.held() if self._launcher else ()

    def adopt(self, id_: str, pid: int, on_exit: Callable[[Exit], None]) -> KernelProcess | None:
        """Go on with a kernel of an earlier life; None: it is gone."""
        if self._launcher is None:
            return None
        return self._launcher.adopt(id_, pid, on_exit)

    def leave(self) -> None:
        """Let go of all kernels."""
        self._left = True
        self._let_go_of_waiting()
        if self._launcher is not None:
            self._launcher.leave()

    async def close(self) -> None:
        """End all kernels."""
        self._let_go_of_waiting()
        if self._launcher is not None:
            await self._launcher.close()

    async def _ready(self) -> ContainerLauncher:
        """Return the zygote. Raises `KernelNotStarted`, `ForkServerDied`, `AgentLeft`."""
        try:
            async with asyncio.timeout(LAUNCH_SECONDS_MAX), self._launching:
                if self._launcher is None or self._launcher.died.is_set():
                    self._launcher = await self._launched()
                return self._launcher
        except TimeoutError:
            raise KernelNotStarted(
                f"The zygote of containers was not ready after {LAUNCH_SECONDS_MAX:.0f} s"
            ) from None

    async def _claimed(
        self, spec: KernelSpec, on_exit: Callable[[Exit], None]
    ) -> KernelProcess | None:
        """Return the kernel that a container has become which waited for it; None: there was none that could. Raises `KernelTerminated`, `AgentLeft`."""
        if self._pool is None or spec.id not in self._wanted:
            return None
        waiting = self._pool.take(spec)
        if waiting is None:
            return None
        self._groups[spec.id] = waiting.id
        kernel = await waiting.become(spec, on_exit)
        if kernel is None:
            self._groups.pop(spec.id, None)  # it may have been ended meanwhile
            await self._remove(waiting.id)
        return kernel

    async def _look(self) -> None:
        """End what need not wait any more, and make what is missing, one after the other."""
        pool = self._pool
        if pool is None:
            return
        for one in pool.surplus():
            await self._end(one)
        await asyncio.to_thread(self._leftovers.try_again)
        await asyncio.to_thread(pool.places.remove_all_but, pool.bytecodes)
        while self._launcher is not None and (missing := pool.missing()) is not None:
            await tasks.pause(FILL_PAUSE_SECONDS)
            try:
                await self._fill(pool, self._launcher, missing)
            except (QuarterdeckError, TimeoutError, OSError) as error:
                tree = missing.pattern.tree
                _log.warning("no-container-waits", extra={"tree": tree, "error": str(error)})
                for one in pool.forget(missing.pattern):
                    await self._end(one)

    async def _fill(self, pool: Pool, launcher: ContainerLauncher, missing: Missing) -> None:
        """Make what is missing. Raises `KernelNotStarted`, `ForkServerDied`, `AgentLeft`, TimeoutError, OSError."""
        made = await self._made_to_wait(launcher, missing.spec)
        if missing.compiles:
            directory = Path(missing.spec.directory)
            pool.compiled(missing.pattern, await asyncio.to_thread(pool.places.keep, directory))
            await self._end(made)
            return
        made.note()
        if not pool.add(missing.pattern, made):
            await self._end(made)

    async def _made_to_wait(self, launcher: ContainerLauncher, spec: KernelSpec) -> Waiting:
        Path(spec.directory).parent.mkdir(mode=0o700, exist_ok=True)
        try:
            async with asyncio.timeout(FILL_SECONDS_MAX):
                return await Waiting.make(launcher, spec)
        except BaseException:  # cancellation, too: nobody else would end what was begun
            await launcher.kill(spec.id)
            await self._remove(spec.id)
            raise

    def _let_go_of_waiting(self) -> None:
        for one in self._pool.leave() if self._pool else ():
            one.close()

    async def _end(self, waiting: Waiting) -> None:
        """End one that waits, with all that is left of it. Raises `AgentLeft`."""
        waiting.close()
        if self._launcher is not None:
            await self._launcher.kill(waiting.id)
        await self._remove(waiting.id)

    async def _remove(self, id_: str) -> None:
        """Remove what is left of one that has waited."""
        await self._remove_group(id_)
        if self._pool is not None:
            await asyncio.to_thread(self._leftovers.remove, self._pool.directory(id_))

    async def _launched(self) -> ContainerLauncher:
        """Launch a zygote; one that is not waited for to the end is ended. Raises `ForkServerDied`, `AgentLeft`."""
        launcher = self._launch()
        launcher.explain = self._explain
        try:
            await launcher.ready()
        except BaseException:  # cancellation, too: nobody else would end it
            await launcher.end_by_force()
            raise
        if self._left:
            launcher.leave()
            raise AgentLeft
        return launcher

    async def _remove_group(self, name: str) -> None:
        group = f"{self._group}/{name}"
        for _ in range(REMOVALS_MAX if self._group else 0):
            if await asyncio.to_thread(cgroups.remove, group):
                return
            await tasks.pause(REMOVAL_PAUSE_SECONDS)
        if self._group:
            _log.error("group-stays", extra={"group": group})

    def _explain(self, id_: str, exit_: Exit) -> Exit:
        """Say which limit it was that ended a kernel, if it was one."""
        directory = self._directories.get(id_)
        return exit_ if directory is None else explained(directory, exit_)


async def _spawned(
    launcher: ContainerLauncher, spec: KernelSpec, on_exit: Callable[[Exit], None]
) -> KernelProcess:
    try:
        async with asyncio.timeout(START_SECONDS_MAX):
            return await launcher.spawn(spec, on_exit)
    except TimeoutError:
        raise KernelNotStarted(
            f"What the image runs was not ready after {START_SECONDS_MAX:.0f} s"
        ) from None


def _group(directory: Path) -> str:
    """Return the name of the control group of a kernel whose container waited for it; empty: it is the kernel's."""
    try:
        return (directory / container.GROUP_FILE).read_text()
    except OSError:
        return ""


def explained(directory: Path, exit_: Exit) -> Exit:
    """Say which limit it was that ended the kernel of a directory, if it was one."""
    try:
        with (directory / container.LIMIT_FILE).open("rb") as file:
            words = file.read(LIMIT_BYTES_MAX).decode("utf-8", "replace")
    except OSError:
        return exit_
    return dataclasses.replace(exit_, reason=words)
