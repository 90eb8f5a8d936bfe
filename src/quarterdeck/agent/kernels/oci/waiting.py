"""A container that waits to become a kernel, as its agent has it. Made and ended by `kernels`, kept by `pool`.

It has an id and a directory of its own; as a kernel it has the kernel's. Whatever goes wrong while it becomes one, the kernel is made without it.
"""

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import Callable
from pathlib import Path

from quarterdeck.agent.kernels import forkserver
from quarterdeck.agent.kernels.errors import AgentLeft, KernelNotStarted, KernelTerminated
from quarterdeck.agent.kernels.oci import container, specs
from quarterdeck.agent.kernels.oci.launcher import ContainerLauncher
from quarterdeck.agent.kernels.process import KernelProcess
from quarterdeck.agent.kernels.spec import Exit, KernelSpec

_log = logging.getLogger(__name__)

CLAIM_SECONDS_MAX = 5.0
"""A container that has not become a kernel by then is given up."""


class Waiting:
    """One that is ready. Its process hears nothing of the kernel that it becomes before all of that is applied."""

    def __init__(
        self,
        launcher: ContainerLauncher,
        process: KernelProcess,
        link: socket.socket,
        directory: Path,
    ) -> None:
        self.id = process.id
        self.process = process
        self._launcher = launcher
        self._link = link
        self._directory = directory

    @classmethod
    async def make(cls, launcher: ContainerLauncher, spec: KernelSpec) -> "Waiting":
        """Have one made, with what is known before. It is of the launcher until `end`, also if this fails or is cancelled.

        Raises `KernelNotStarted`, `ForkServerDied`, `AgentLeft`, OSError.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            ours.setblocking(False)  # noqa: FBT003 - the standard library's signature
            process = launcher.begin(spec.id, theirs, lambda _: None)
            _send(ours, spec)
            if await _word(ours) != specs.READY:
                await _fail(launcher, process)
        except BaseException:  # cancellation, too: nobody else has these ends
            ours.close()
            theirs.close()
            raise
        return cls(launcher, process, ours, Path(spec.directory))

    def note(self) -> None:
        """Write down what the agent's next life has to know if this is a kernel then. Raises OSError."""
        (self._directory / container.GROUP_FILE).write_text(self.id)

    @property
    def alive(self) -> bool:
        """Whether it can become a kernel."""
        return self.process.exit is None and not self.process.left

    async def become(
        self, spec: KernelSpec, on_exit: Callable[[Exit], None]
    ) -> KernelProcess | None:
        """Become a kernel, ready for code. None: it could not, nothing of it runs, and nobody has heard of it.

        Raises `KernelTerminated`, `AgentLeft`.
        """
        heir = _Heir(on_exit)
        try:
            self._directory.rename(spec.directory)
            self._launcher.rename(self.process, spec, heir.take)
            async with asyncio.timeout(CLAIM_SECONDS_MAX):
                if await self._is_claimed(spec):
                    heir.open()
                    return self.process
        except (KernelTerminated, AgentLeft):
            heir.open()
            raise
        except asyncio.CancelledError:
            self.process.condemn("its start was given up")
            raise
        except (KernelNotStarted, TimeoutError, OSError) as error:
            _log.warning("container-unfit", extra={"kernel": spec.id, "error": str(error)})
        finally:
            self._link.close()
        await self._launcher.kill(self.process.id)
        self._move_back(Path(spec.directory))
        return None

    def close(self) -> None:
        """Let it end."""
        self._link.close()

    def _move_back(self, directory: Path) -> None:
        with contextlib.suppress(FileNotFoundError):
            directory.rename(self._directory)

    async def _is_claimed(self, spec: KernelSpec) -> bool:
        """Tell whether the container is the kernel now. Raises `KernelNotStarted`, `KernelTerminated`, `AgentLeft`, OSError."""
        _send(self._link, spec)
        if await _word(self._link) != specs.READY:
            return False
        await self._launcher.started(self.process)
        return True


class _Heir:
    """Hears of the end of a kernel once it is one."""

    def __init__(self, on_exit: Callable[[Exit], None]) -> None:
        self._on_exit = on_exit
        self._is_open = False
        self._exit: Exit | None = None

    def take(self, exit_: Exit) -> None:
        """Hear, or keep it until `open`."""
        self._exit = exit_
        if self._is_open:
            self._on_exit(exit_)

    def open(self) -> None:
        """The kernel is known to those outside."""
        self._is_open = True
        if self._exit is not None:
            self._on_exit(self._exit)


async def _fail(launcher: ContainerLauncher, process: KernelProcess) -> None:
    """Raise why one does not wait: `KernelNotStarted`, `AgentLeft`."""
    await launcher.started(process)
    raise KernelNotStarted("It ended while it was to wait")


def _send(link: socket.socket, spec: KernelSpec) -> None:
    """Say what a container is. Raises OSError."""
    file = forkserver.written(spec)
    try:
        socket.send_fds(link, [b"."], [file])
    finally:
        os.close(file)


async def _word(link: socket.socket) -> bytes:
    """Return the next word of a container; nothing if it has ended. Raises OSError."""
    return await asyncio.get_running_loop().sock_recv(link, 1)
