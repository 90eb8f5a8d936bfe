"""What the agent's service needs of the world: processes, directories, and somebody to tell. Fakes: `quarterdeck.testing.fakes.agent`."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Collection, Generator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol

from quarterdeck.agent.kernels.activity import Activity
from quarterdeck.agent.kernels.capture import Journal
from quarterdeck.agent.kernels.meter import Usage
from quarterdeck.agent.kernels.namespaces import Isolation
from quarterdeck.agent.kernels.runs import Run, Runs
from quarterdeck.agent.kernels.spec import Exit, Image, KernelSpec
from quarterdeck.agent.remembered import Record, Remembered
from quarterdeck.wire.agents import ImagePull, KernelCreate
from quarterdeck.wire.executions import Complete, Completion, Execute, Input
from quarterdeck.wire.oci import Descriptor
from quarterdeck.wire.sessions import IsolationLevel, Logs


class Kernel(Protocol):
    """A kernel that has started."""

    @property
    def pid(self) -> int:
        """Its process id."""
        ...

    @property
    def activity(self) -> Activity:
        """Who uses it: code that runs counts by itself."""
        ...

    @property
    def runs(self) -> Runs:
        """What was asked of it, by id."""
        ...

    def start(self, given: Execute) -> Run:
        """Run code or a command, one after the other, under the id that is given; the same id again is the same run.

        Raises `KernelBusy`, `RunConflict`, `RunForgotten`, `KernelDied`, `KernelTerminated`.
        """
        ...

    def run(self, id_: str) -> Run:
        """Return a run. Raises `RunNotFound`, `RunForgotten`."""
        ...

    def interrupt(self, id_: str | None = None) -> None:
        """Interrupt a run, or whatever runs; nothing happens if it has ended. Raises `RunNotFound`, `RunForgotten`."""
        ...

    def reply(self, id_: str, given: Input) -> None:
        """Give a run the input that it asks for, once. Raises `InputNotWanted`, `RunNotFound`, `RunForgotten`."""
        ...

    async def complete(self, given: Complete) -> Completion:
        """Return how code could go on. Raises `KernelBusy` while something runs, `KernelDied`, `KernelTerminated`."""
        ...

    def keep(self, journal: Journal) -> None:
        """Write down what it writes, also what it has written."""
        ...

    def logs(self) -> Logs:
        """Return the newest part of all that it has written."""
        ...

    def condemn(self, reason: str) -> None:
        """End it soon, for a reason that its exit tells."""
        ...


class Kernels(Protocol):
    """Makes kernels and ends them."""

    @property
    def mounts(self) -> bool:
        """Whether kernels can have mounts here."""
        ...

    @property
    def level(self) -> IsolationLevel:
        """How well kernels are kept apart here."""
        ...

    async def spawn(self, spec: KernelSpec, on_exit: Callable[[Exit], None]) -> Kernel:
        """Make a kernel, ready for code. `on_exit` is called when it has ended with all its processes.

        Raises `KernelNotStarted`, `KernelTerminated` (by `kill`), `ForkServerDied`.
        """
        ...

    async def kill(self, id_: str) -> None:
        """End a kernel and return when none of its processes is left."""
        ...

    def held(self) -> Collection[str]:
        """Return the kernels that an earlier life of the agent made and that are here, neither adopted nor killed yet."""
        ...

    def adopt(self, id_: str, pid: int, on_exit: Callable[[Exit], None]) -> Kernel | None:
        """Go on with a kernel of an earlier life, as if `spawn` had made it; None: it is gone.

        `on_exit` is called at once if it has ended meanwhile.
        """
        ...

    def leave(self) -> None:
        """Let go of all kernels, which stay for the next life. Whoever waits for code of theirs gets `AgentLeft`."""
        ...


class Backend(Kernels, Protocol):
    """Kernels, as the agent's process has them from its start to its end."""

    @property
    def died(self) -> asyncio.Event:
        """Is set when no kernel can be made any more, and none lives."""
        ...

    @property
    def isolation(self) -> Isolation:
        """How kernels are kept apart."""
        ...

    @property
    def containers(self) -> bool:
        """Whether kernels can have an image here."""
        ...

    async def ready(self) -> None:
        """Return when kernels can be made. Raises `ForkServerDied`."""
        ...

    def first(self, id_: str) -> int | None:
        """Return the first process of a kernel's pid namespace, 0: it is not known; None: it has none that is known to adopt its orphans."""
        ...

    async def close(self) -> None:
        """End all that is left; for a backend that cannot start."""
        ...


class Meter(Protocol):
    """What kernels use. Its methods block."""

    def usage(self, kernel: str, pid: int, memory_bytes_max: int) -> Usage | None:
        """Return what the processes of a kernel use; None: they are gone. Memory is exact only if it is more than a maximum."""
        ...

    def disk_bytes(self, kernel: str, pid: int) -> Generator[int, None, None]:
        """Count what a kernel's directory takes on disk: more and more, and the last number is that of all. To be closed."""
        ...


class Images(Protocol):
    """The images that are here."""

    def use(self, digest: str, user: str) -> Image:
        """Return an image and keep it here until `release`. Raises `ImageNotHere`, `ImageUnusable`."""
        ...

    def release(self, user: str) -> None:
        """Take note that somebody needs an image no more; nothing happens to who uses none."""
        ...


class Network(Protocol):
    """Connects kernels with others of their clusters."""

    async def join(self, id_: str, pid: int, request: KernelCreate) -> None:
        """Let a kernel reach its peers from now on; nothing happens if it has none. Raises `KernelNotStarted`."""
        ...

    def leave(self, id_: str) -> None:
        """End all that a kernel has to do with others; fine if there is nothing."""
        ...


class Scratch(Protocol):
    """The directories of kernels. Its methods block, `provide` and `set_aside` shortly."""

    def directory(self, kernel: str) -> Path:
        """Return where a kernel's directory is, or will be."""
        ...

    def clean(self, kept: Collection[str]) -> None:
        """Remove what was left by kernels other than these, with the processes that work in it."""
        ...

    def provide(self, kernel: str) -> bool:
        """Have a kernel's directory there already, if one was made in advance."""
        ...

    @property
    def few(self) -> bool:
        """Whether it is time to `prepare`."""
        ...

    def prepare(self) -> None:
        """Make directories for kernels to come, and remove those that were set aside. Raises OSError."""
        ...

    def set_aside(self, kernel: str) -> bool:
        """Take away the directory of a kernel that has left no files; False: it has left some, or there is no such directory."""
        ...

    def remove(self, kernel: str) -> None:
        """Remove a kernel's directory; nothing happens if it is not there. Raises OSError."""
        ...


class Records(Protocol):
    """What has to be known of kernels in the agent's next life. Its methods block, shortly."""

    def save(self, record: Record) -> None:
        """Write a record in place of an earlier one. Raises OSError."""
        ...

    def drop(self, id_: str) -> None:
        """Remove a record; nothing happens if it is not there. Raises OSError."""
        ...

    def journal(self, id_: str) -> Journal:
        """Return the place for what a kernel writes; `drop` removes it too. Raises OSError."""
        ...

    def written(self, id_: str) -> bytes:
        """Return the newest part of what a kernel has written, if that was written down. Raises OSError."""
        ...

    def note_destroyed(self, id_: str) -> None:
        """Remember that an id was destroyed. Raises OSError."""
        ...

    def load(self) -> Remembered:
        """Return what was written, as far as it can be read."""
        ...


class News(Protocol):
    """Whoever wants to know that a kernel has ended, or a pull."""

    def kernel_changed(self, kernel: str) -> None:
        """Tell it soon. Never blocks."""
        ...

    def image_changed(self, digest: str) -> None:
        """Tell soon that a pull has ended. Never blocks."""
        ...


class Registry(Protocol):
    """Where an image comes from. What it says is not believed: whoever asks compares it with the digest.

    Its methods raise `quarterdeck.base.errors.QuarterdeckError` with the reason in words.
    """

    async def manifest(self, digest: str) -> bytes:
        """Return a manifest or an index."""
        ...

    def blob(self, wanted: Descriptor) -> AsyncGenerator[bytes, None]:
        """Give the pieces of a blob."""
        ...


class Registries(Protocol):
    """Finds the registry that has an image."""

    def open(self, source: ImagePull) -> AbstractAsyncContextManager[Registry]:
        """Talk to it for the time of a block."""
        ...
