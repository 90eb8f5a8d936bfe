"""Real kernels for tests, without a service: specs with everything in them, kernels, and their end."""

import asyncio
import contextlib
import dataclasses
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, Protocol

import msgspec

from quarterdeck.agent.kernels.launcher import Launcher
from quarterdeck.agent.kernels.process import KernelProcess
from quarterdeck.agent.kernels.scratch import Scratch
from quarterdeck.agent.kernels.spec import MARK, Exit, KernelSpec
from quarterdeck.agent.ports import Kernel
from quarterdeck.base import ids
from quarterdeck.base.clock import SystemClock
from quarterdeck.wire.executions import Execute

MEMORY_BYTES = 512 * 2**20


class Maker(Protocol):
    """Whoever makes and ends real kernels."""

    async def spawn(self, spec: KernelSpec, on_exit: Callable[[Exit], None]) -> KernelProcess:
        """Make a kernel."""
        ...

    async def kill(self, id_: str) -> None:
        """End a kernel."""
        ...


@contextlib.asynccontextmanager
async def zygote(*, isolate: bool) -> AsyncIterator[Launcher]:
    """Own a zygote for the time of a block."""
    launcher = Launcher.launch(isolate=isolate)
    try:
        await launcher.ready()
        yield launcher
    finally:
        await launcher.close()


@contextlib.asynccontextmanager
async def opened(launcher: Maker, room: Path) -> AsyncIterator["Workshop"]:
    """Own a workshop, whose kernels end with the block."""
    shop = Workshop(launcher, Scratch.open(room))
    try:
        yield shop
    finally:
        await shop.close()


def bare_spec(id_: str) -> KernelSpec:
    """Return a spec with nothing in it, for kernels that are no processes."""
    return KernelSpec(id_, "/", {}, (), (0,), MEMORY_BYTES)


class Workshop:
    """Makes kernels. `exits` has how they ended, by id."""

    def __init__(self, launcher: Maker, scratch: Scratch) -> None:
        self.launcher = launcher
        self.scratch = scratch
        self.exits: dict[str, Exit] = {}
        self._made: set[str] = set()

    def spec(self, **changes: Any) -> KernelSpec:
        """Return a spec that is complete, with changes."""
        id_ = ids.new(SystemClock())
        directory = self.scratch.directory(id_)
        spec = KernelSpec(
            id=id_,
            directory=str(directory),
            environment={
                "PATH": os.defpath,
                "HOME": str(directory / "work"),
                "LANG": "C.UTF-8",
                MARK: id_,
            },
            binds=(),
            cores=tuple(sorted(os.sched_getaffinity(0))),
            memory_bytes=MEMORY_BYTES,
        )
        self._made.add(id_)
        return dataclasses.replace(spec, **changes)

    async def make(self, **changes: Any) -> KernelProcess:
        """Make a kernel."""
        spec = self.spec(**changes)
        return await self.launcher.spawn(spec, lambda exit_: self._note(spec.id, exit_))

    async def end(self, kernel: KernelProcess) -> None:
        """End a kernel and remove what it left."""
        await self._end(kernel.id)

    async def close(self) -> None:
        """End all kernels and remove what they left."""
        async with asyncio.TaskGroup() as group:
            for id_ in self._made:
                group.create_task(self._end(id_))
        self.scratch.close()

    def _note(self, id_: str, exit_: Exit) -> None:
        self.exits[id_] = exit_

    async def _end(self, id_: str) -> None:
        await self.launcher.kill(id_)
        await asyncio.to_thread(self.scratch.remove, id_)


async def execute(kernel: Kernel, given: Execute | str) -> Any:
    """Run something in a kernel to its end, and return the `Execution`. Raises what ended the kernel before."""
    request = Execute(given) if isinstance(given, str) else given
    run = kernel.start(msgspec.structs.replace(request, run=request.run or ids.new(SystemClock())))
    await run.settled(None)
    if run.failure is not None:
        raise run.failure
    return run.report()
