"""The agent's side of the zygote of containers: a launcher that also has containers made which wait to become kernels. Used by `waiting`."""

import socket
from collections.abc import Callable
from pathlib import Path

from quarterdeck.agent.kernels.forkserver import Server
from quarterdeck.agent.kernels.launcher import Launcher
from quarterdeck.agent.kernels.process import KernelProcess
from quarterdeck.agent.kernels.spec import PID_FILE, Exit, KernelSpec


class ContainerLauncher(Launcher):
    """Those that wait end with the agent."""

    def __init__(self, server: Server) -> None:
        super().__init__(server)
        self._waiting: set[str] = set()

    def begin(
        self, id_: str, specs: socket.socket, on_exit: Callable[[Exit], None]
    ) -> KernelProcess:
        """Have something made that waits: on a socket, of which this end is given away, it learns what it is, and later what it is to be.

        Raises `KernelNotStarted`, `ForkServerDied`, `AgentLeft`.
        """
        self._check()
        process = self._ask_for(id_, specs.detach(), on_exit)
        self._waiting.add(id_)
        return process

    def rename(
        self, process: KernelProcess, spec: KernelSpec, on_exit: Callable[[Exit], None]
    ) -> None:
        """Take what waited for the kernel that it becomes; `started` waits for that."""
        old = process.id
        self._waiting.discard(old)
        self._heirs.pop(old, None)
        self._heirs[spec.id] = on_exit
        self._processes[spec.id] = self._processes.pop(old)
        process.rename(spec.id, Path(spec.directory) / PID_FILE)
        self._outbox.send({"rename": old, "to": spec.id})

    def leave(self) -> None:
        """Let go of all kernels; what waits is ended."""
        for id_ in self._waiting:
            self._outbox.send({"kill": id_})
            self._processes.pop(id_).leave()
        self._waiting.clear()
        super().leave()

    def _finish(self, id_: str, exit_: Exit) -> None:
        self._waiting.discard(id_)
        super()._finish(id_, exit_)
