"""Kernels in containers as the agent has them: made by a zygote of their own that starts with the first, ended with nothing of them left.

A part of the port `Kernels`; `levels` puts it together with the kernels that have no image.
"""

import asyncio
import dataclasses
import logging
from collections.abc import Callable, Collection
from pathlib import Path

from quarterdeck.agent.kernels.errors import AgentLeft, KernelNotStarted, KernelTerminated
from quarterdeck.agent.kernels.launcher import Launcher
from quarterdeck.agent.kernels.oci import cgroups, container
from quarterdeck.agent.kernels.process import KernelProcess
from quarterdeck.agent.kernels.spec import Exit, KernelSpec
from quarterdeck.base import tasks

LAUNCH_SECONDS_MAX = 10.0
"""A zygote of containers must be ready by then; else it is ended, and the next kernel has another one launched."""
START_SECONDS_MAX = 60.0
"""What an image runs must be ready for code by then."""
LIMIT_BYTES_MAX = 200
REMOVALS_MAX = 50
REMOVAL_PAUSE_SECONDS = 0.02

_log = logging.getLogger(__name__)


class Containers:
    """Makes kernels in containers. `why_not` says in words why there can be none on this machine; empty: there can."""

    def __init__(
        self,
        launch: Callable[[], Launcher],
        *,
        directory: Callable[[str], Path],
        group: str,
        why_not: str = "",
        found: Launcher | None = None,
    ) -> None:
        """`launch` launches a zygote. `directory`: where a kernel's directory is. `found`: the zygote of an earlier life, which tells by itself what is `explained`. `group`: the control group of all."""
        self.why_not = why_not
        self._launch = launch
        self._group = group
        self._launching = asyncio.Lock()
        self._launcher = found
        self._left = False
        self._awaiting: set[str] = set()
        """Kernels for which there is no zygote yet, and which nobody has ended."""
        self._directories: dict[str, Path] = {}
        if found is not None:
            self._directories = {id_: directory(id_) for id_ in found.held()}

    async def spawn(self, spec: KernelSpec, on_exit: Callable[[Exit], None]) -> KernelProcess:
        """Make a kernel in a container. Raises `KernelNotStarted`, `KernelTerminated`, `ForkServerDied`, `AgentLeft`."""
        if self.why_not or spec.image is None:
            raise KernelNotStarted(self.why_not, code="isolation-unsupported")
        self._directories[spec.id] = Path(spec.directory)
        launcher = await self._launcher_for(spec.id)
        if launcher is None:
            on_exit(Exit())
            raise KernelTerminated
        grouped = dataclasses.replace(
            spec, image=dataclasses.replace(spec.image, group=self._group)
        )
        try:
            async with asyncio.timeout(START_SECONDS_MAX):
                return await launcher.spawn(grouped, on_exit)
        except TimeoutError:
            raise KernelNotStarted(
                f"What the image runs was not ready after {START_SECONDS_MAX:.0f} s"
            ) from None

    async def kill(self, id_: str) -> bool:
        """End a kernel and what is left of it; tell whether it is one of these. Raises `AgentLeft`."""
        if id_ not in self._directories:
            return False
        self._awaiting.discard(id_)
        if self._launcher is not None:
            await self._launcher.kill(id_)
        if self._group:
            await self._remove_group(f"{self._group}/{id_}")
        self._directories.pop(id_, None)
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
        if self._launcher is not None:
            self._launcher.leave()

    async def close(self) -> None:
        """End all kernels."""
        if self._launcher is not None:
            await self._launcher.close()

    async def _launcher_for(self, id_: str) -> Launcher | None:
        """Return the zygote that is to make a kernel; None: it has been ended meanwhile. Raises `KernelNotStarted`, `AgentLeft`."""
        self._awaiting.add(id_)
        try:
            async with asyncio.timeout(LAUNCH_SECONDS_MAX), self._launching:
                if self._launcher is None or self._launcher.died.is_set():
                    self._launcher = await self._launched()
        except TimeoutError:
            raise KernelNotStarted(
                f"The zygote of containers was not ready after {LAUNCH_SECONDS_MAX:.0f} s"
            ) from None
        else:
            return self._launcher if id_ in self._awaiting else None
        finally:
            self._awaiting.discard(id_)

    async def _launched(self) -> Launcher:
        """Launch a zygote; one that is not waited for to the end is ended. Raises `ForkServerDied`, `AgentLeft`."""
        launcher = self._launch()
        launcher.explain = self._explain
        try:
            await launcher.ready()
        except BaseException:
            await launcher.end_by_force()
            raise
        if self._left:
            launcher.leave()
            raise AgentLeft
        return launcher

    async def _remove_group(self, group: str) -> None:
        for _ in range(REMOVALS_MAX):
            if await asyncio.to_thread(cgroups.remove, group):
                return
            await tasks.pause(REMOVAL_PAUSE_SECONDS)
        _log.error("group-stays", extra={"group": group})

    def _explain(self, id_: str, exit_: Exit) -> Exit:
        """Say which limit it was that ended a kernel, if it was one."""
        directory = self._directories.get(id_)
        return exit_ if directory is None else explained(directory, exit_)


def explained(directory: Path, exit_: Exit) -> Exit:
    """Say which limit it was that ended the kernel of a directory, if it was one."""
    try:
        with (directory / container.LIMIT_FILE).open("rb") as file:
            words = file.read(LIMIT_BYTES_MAX).decode("utf-8", "replace")
    except OSError:
        return exit_
    return dataclasses.replace(exit_, reason=words)
