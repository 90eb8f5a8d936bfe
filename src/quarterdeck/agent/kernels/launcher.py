"""The agent's side of the zygote: starts it, has kernels made and killed, and learns when they are gone."""

import asyncio
import contextlib
import json
import logging
import os
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import quarterdeck
from quarterdeck.agent.kernels import channel
from quarterdeck.agent.kernels.errors import ForkServerDied, KernelNotStarted, KernelTerminated
from quarterdeck.agent.kernels.namespaces import Isolation
from quarterdeck.agent.kernels.process import Ends, KernelProcess
from quarterdeck.agent.kernels.runner import Gift
from quarterdeck.agent.kernels.spec import ISOLATED, MARK, PLAIN, TITLE_ROOM, Exit, KernelSpec
from quarterdeck.wire.sessions import IsolationLevel

_MESSAGE_BYTES_MAX = 2**16
_PROGRAM = "quarterdeck.agent.kernels.zygote"
_MARK_ROOM = " " * 36

_log = logging.getLogger(__name__)


class _Outgoing(NamedTuple):
    """A message to the zygote; `spawn` is the kernel that it makes."""

    data: bytes
    descriptors: tuple[int, ...]
    spawn: str | None


class Launcher:
    """The zygote and its kernels. Made by `start`; `close` ends them all."""

    def __init__(self, server: "subprocess.Popen[bytes]", link: socket.socket) -> None:
        self._server = server
        self._link = link
        self._loop = asyncio.get_running_loop()
        self._ready: asyncio.Future[Isolation] = self._loop.create_future()
        self._outgoing: deque[_Outgoing] = deque()
        self._processes: dict[str, KernelProcess] = {}
        self.isolation = Isolation()
        self.died = asyncio.Event()
        os.set_blocking(link.fileno(), False)
        self._loop.add_reader(link, self._read)

    @classmethod
    def launch(
        cls, environment: Mapping[str, str] | None = None, *, isolate: bool = True
    ) -> "Launcher":
        """Launch a zygote; `ready` waits for it. `environment`: what its process carries besides.

        `isolate=False`: use no namespaces even where the machine allows them.
        """
        return cls(*_execute(environment or {}, isolate=isolate))

    async def ready(self) -> None:
        """Return when kernels can be made. Raises `ForkServerDied`."""
        await asyncio.wait((self._ready,))
        self.isolation = self._ready.result()

    @property
    def mounts(self) -> bool:
        """Whether kernels can have mounts here."""
        return self.isolation.mounts

    @property
    def level(self) -> IsolationLevel:
        """How well kernels are kept apart here."""
        return IsolationLevel.NAMESPACED if self.isolation.namespaced else IsolationLevel.PROCESS

    @property
    def pid(self) -> int:
        """The process id of the zygote."""
        return self._server.pid

    async def spawn(self, spec: KernelSpec, on_exit: Callable[[Exit], None]) -> KernelProcess:
        """Make a kernel and return when it is ready for code. Raises `KernelNotStarted`, `KernelTerminated`, `ForkServerDied`."""
        if self.died.is_set():
            raise ForkServerDied
        process = self._send_spec(spec, on_exit)
        try:
            await process.started()
        except KernelNotStarted as error:
            if process.killed:
                raise KernelTerminated from error
            await self.kill(spec.id)
            raise
        except asyncio.CancelledError:
            self._send({"kill": spec.id})
            raise
        if process.killed:
            raise KernelTerminated
        return process

    async def kill(self, id_: str) -> None:
        """Kill every process of a kernel and return when none is left. A kernel that is not there is gone already."""
        process = self._processes.get(id_)
        if process is None:
            return
        process.killed = True
        self._send({"kill": id_})
        await process.gone.wait()

    async def close(self) -> None:
        """End the zygote and with it every kernel; return when all is gone."""
        try:
            async with asyncio.TaskGroup() as group:
                for id_ in tuple(self._processes):
                    group.create_task(self.kill(id_))
        finally:
            self._lose()
            self._link.close()
            await asyncio.to_thread(self._server.wait)

    def _send_spec(self, spec: KernelSpec, on_exit: Callable[[Exit], None]) -> KernelProcess:
        try:
            ends, given = _channels(spec)
        except OSError as error:
            raise KernelNotStarted(f"There are no channels for it: {error}") from error
        process = KernelProcess(spec.id, ends, on_exit, lambda: self._send({"kill": spec.id}))
        self._processes[spec.id] = process
        self._send({"spawn": spec.id}, given)
        return process

    def _send(self, message: dict[str, Any], given: tuple[int, ...] = ()) -> None:
        self._outgoing.append(_Outgoing(json.dumps(message).encode(), given, message.get("spawn")))
        self._flush()

    def _flush(self) -> None:
        while self._outgoing:
            first = self._outgoing[0]
            try:
                socket.send_fds(self._link, [first.data], list(first.descriptors))
            except BlockingIOError:
                self._loop.add_writer(self._link, self._flush)
                return
            except OSError as error:  # if the zygote is gone, reading tells
                _log.warning("zygote-unreachable", extra={"error": str(error)})
                if first.spawn is not None:
                    self._finish(first.spawn, Exit(reason=f"not given to the zygote: {error}"))
            self._outgoing.popleft()
            for descriptor in first.descriptors:
                os.close(descriptor)
        self._loop.remove_writer(self._link)

    def _read(self) -> None:
        while True:
            try:
                data = self._link.recv(_MESSAGE_BYTES_MAX)
            except BlockingIOError:
                return
            except ConnectionError:
                data = b""
            if not data:
                self._lose()
                return
            self._take(json.loads(data))

    def _take(self, message: dict[str, Any]) -> None:
        if "ready" in message:
            self._ready.set_result(Isolation(**message["ready"]))
        elif "refused" in message:
            _log.error("kernel-refused", extra=message)
            self._finish(message["refused"], Exit())
        else:
            status = message["status"]
            self._finish(message["gone"], Exit() if status is None else Exit.from_status(status))

    def _finish(self, id_: str, exit_: Exit) -> None:
        process = self._processes.pop(id_, None)
        if process is not None:
            process.finish(exit_)

    def _lose(self) -> None:
        """Take note that the zygote is gone, and every kernel with it."""
        self._loop.remove_reader(self._link)
        self._loop.remove_writer(self._link)
        for id_ in tuple(self._processes):
            self._finish(id_, Exit())
        if not self._ready.done():
            self._ready.set_exception(ForkServerDied())
        self.died.set()


def _execute(
    environment: Mapping[str, str], *, isolate: bool
) -> "tuple[subprocess.Popen[bytes], socket.socket]":
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        server = subprocess.Popen(
            [
                *(sys.executable, "-s", "-P", "-m", _PROGRAM, str(theirs.fileno())),
                *(ISOLATED if isolate else PLAIN, TITLE_ROOM),
            ],
            pass_fds=[theirs.fileno()],
            cwd="/",
            env=_environment(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
    return server, ours


def _channels(spec: KernelSpec) -> tuple[Ends, Gift]:
    """Return both ends of a kernel's channels, the spec in a file among them. Raises OSError; nothing is open then."""
    with contextlib.ExitStack() as undo:
        control, theirs = channel.pair()
        undo.callback(control.close)
        undo.callback(theirs.close)
        pipes = []
        for _ in range(2):
            pipes.append(os.pipe())
            for end in pipes[-1]:
                undo.callback(os.close, end)
        file = os.memfd_create("kernel-spec", os.MFD_CLOEXEC)
        undo.callback(os.close, file)
        os.write(file, spec.encode())
        undo.pop_all()
    stdout, stderr = pipes
    ends = Ends(control, stdout[0], stderr[0])
    return ends, Gift(file, theirs.detach(), stdout[1], stderr[1])


def _environment(more: Mapping[str, str]) -> dict[str, str]:
    """Return the zygote's environment: nothing of the agent's secrets, the way to this very package, room for the mark."""
    return {
        **more,
        "PATH": search_path(),
        "LANG": "C.UTF-8",
        "PYTHONPATH": os.pathsep.join(_import_path()),
        MARK: _MARK_ROOM,
    }


def search_path() -> str:
    """Return PATH for a kernel: this interpreter's programs first."""
    return f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin"


def _import_path() -> list[str]:
    """Return where this process imports from, without what every run of the same interpreter finds by itself."""
    root = Path(quarterdeck.__file__).absolute().parent.parent
    own = (sys.prefix, sys.base_prefix, sys.exec_prefix)
    others = [str(Path(entry).absolute()) for entry in sys.path if entry]
    return [str(root), *(entry for entry in others if not entry.startswith(own))]
