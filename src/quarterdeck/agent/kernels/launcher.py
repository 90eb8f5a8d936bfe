"""The agent's side of the zygote: finds or starts it, has kernels made and killed, learns when they are gone, and leaves them to the next."""

import asyncio
import json
import logging
import socket
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from quarterdeck.agent.kernels import custody, forkserver
from quarterdeck.agent.kernels.errors import (
    AgentLeft,
    ForkServerDied,
    KernelNotStarted,
    KernelTerminated,
)
from quarterdeck.agent.kernels.forkserver import Ends, Server
from quarterdeck.agent.kernels.namespaces import Isolation
from quarterdeck.agent.kernels.outbox import Outbox
from quarterdeck.agent.kernels.process import KernelProcess
from quarterdeck.agent.kernels.spec import PID_FILE, Exit, KernelSpec
from quarterdeck.wire.sessions import IsolationLevel

_MESSAGE_BYTES_MAX = 2**16

_log = logging.getLogger(__name__)


class Launcher:
    """The zygote and its kernels. Made by `launch` or `reach`; `close` ends them all, `leave` leaves them to the next agent."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._link = server.link
        self._loop = asyncio.get_running_loop()
        self._ready: asyncio.Future[Isolation] = self._loop.create_future()
        self._outbox = Outbox(self._link, self._not_given)
        self._processes: dict[str, KernelProcess] = {}
        self._held: dict[str, KernelProcess] = {}
        self._heirs: dict[str, Callable[[Exit], None]] = {}
        self._left = False
        self.explain: Callable[[str, Exit], Exit] = lambda _id, exit_: exit_
        """Says more about the end of a kernel than the zygote can."""
        self.isolation = Isolation()
        self.died = asyncio.Event()
        self._loop.add_reader(self._link, self._read)

    @classmethod
    def launch(
        cls,
        environment: Mapping[str, str] | None = None,
        *,
        isolate: bool = True,
        program: str = forkserver.ZYGOTE,
    ) -> Self:
        """Launch a zygote of some kind; `ready` waits for it. `environment`: what its process carries besides. `isolate`: in namespaces."""
        return cls(forkserver.launch(environment or {}, isolate=isolate, program=program))

    @classmethod
    def reach(cls, place: Path) -> Self | None:
        """Go on with the zygote of an earlier agent, found in a directory, and with its kernels: after `ready` they are `held`."""
        server = forkserver.reach(place)
        return None if server is None else cls(server)

    def outlive(self, place: Path, orphan_seconds: float) -> None:
        """Have the zygote outlive this agent: the next one finds it in a directory. Raises OSError."""
        forkserver.make_door(self._server, place, orphan_seconds)

    async def ready(self) -> None:
        """Return when kernels can be made. Raises `ForkServerDied`."""
        await asyncio.wait((self._ready,))
        self.isolation = self._ready.result()

    def held(self) -> Collection[str]:
        """Return the kernels that an earlier agent made and this one has neither adopted nor killed."""
        return tuple(self._held)

    def adopt(self, id_: str, pid: int, on_exit: Callable[[Exit], None]) -> KernelProcess | None:
        """Go on with a held kernel as if it were made here; None: it is not there. One that has ended tells so at once, and only then is forgotten."""
        process = self._held.pop(id_, None)
        if process is None:
            return None
        process.recognise(pid)
        if process.exit is not None:
            on_exit(process.exit)
            self._forget(id_)
            return process
        self._heirs[id_] = on_exit
        return process

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

    def first(self, id_: str) -> int | None:
        """Return the first process of a kernel's pid namespace, 0: it is not known; None: kernels have no such namespaces here."""
        if not self.isolation.pids:
            return None
        process = self._processes.get(id_)
        return 0 if process is None else process.first

    async def spawn(self, spec: KernelSpec, on_exit: Callable[[Exit], None]) -> KernelProcess:
        """Make a kernel and return when it is ready for code.

        Raises `KernelNotStarted`, `KernelTerminated`, `ForkServerDied`, `AgentLeft`.
        """
        self._check()
        pid_file = None if spec.image is None else Path(spec.directory) / PID_FILE
        process = self._ask_for(spec.id, spec, on_exit, pid_file)
        await self.started(process)
        return process

    async def started(self, process: KernelProcess) -> None:
        """Return when a kernel is ready for code. Raises `KernelNotStarted`, `KernelTerminated`, `AgentLeft`."""
        try:
            await process.started()
        except KernelNotStarted as error:
            if process.killed:
                raise KernelTerminated from error
            await self.kill(process.id)
            raise
        except asyncio.CancelledError:
            self._outbox.send({"kill": process.id})
            raise
        if process.killed:
            raise KernelTerminated

    async def kill(self, id_: str) -> None:
        """Kill every process of a kernel and return when none is left. A kernel that is not there is gone already.

        Raises `AgentLeft`.
        """
        self._held.pop(id_, None)
        process = self._processes.get(id_)
        if process is None:
            self._forget(id_)
            return
        process.killed = True
        process.ignore()
        self._outbox.send({"kill": id_})
        await process.gone.wait()
        if process.left:
            raise AgentLeft

    async def close(self) -> None:
        """End the zygote and with it every kernel; return when all is gone."""
        try:
            async with asyncio.TaskGroup() as group:
                for id_ in tuple(self._processes):
                    group.create_task(self.kill(id_))
        finally:
            if not self.died.is_set():
                self._outbox.send({"end": True})
            self._lose()
            await self._server.ended()

    async def end_by_force(self) -> None:
        """End a zygote that does not answer, and with it every kernel; return when it is gone."""
        self._server.kill()
        self._lose()
        await self._server.ended()

    def leave(self) -> None:
        """Let go of all kernels: they stay as they are for the next agent. Whoever waits for one gets `AgentLeft`.

        A zygote without any is ended.
        """
        if self._left or self.died.is_set():
            return
        self._left = True
        if not self._processes and not self._held:
            self._outbox.send({"end": True})
        self._forget_link()
        for process in self._processes.values():
            process.leave()
        self._processes.clear()
        self._held.clear()
        self._server.leave()

    def _check(self) -> None:
        if self._left:
            raise AgentLeft
        if self.died.is_set():
            raise ForkServerDied

    def _ask_for(
        self,
        id_: str,
        given: KernelSpec | int,
        on_exit: Callable[[Exit], None],
        pid_file: Path | None = None,
    ) -> KernelProcess:
        try:
            ends, gift = forkserver.channels(given)
        except OSError as error:
            raise KernelNotStarted(f"There are no channels for it: {error}") from error
        self._heirs[id_] = on_exit
        self._processes[id_] = process = self._process(id_, ends, pid_file)
        self._outbox.send({"spawn": id_}, gift)
        return process

    def _process(self, id_: str, ends: Ends, pid_file: Path | None = None) -> KernelProcess:
        def tell(exit_: Exit) -> None:
            heir = self._heirs.pop(process.id, None)
            if heir is not None:
                heir(exit_)

        def kill() -> None:
            self._outbox.send({"kill": process.id})

        process = KernelProcess(id_, ends, tell, kill, pid_file=pid_file)
        return process

    def _read(self) -> None:
        while True:
            try:
                data, given, _, _ = socket.recv_fds(
                    self._link, _MESSAGE_BYTES_MAX, custody.ENDS, socket.MSG_CMSG_CLOEXEC
                )
            except BlockingIOError:
                return
            except ConnectionError:
                data, given = b"", []
            if not data:
                self._lose()
                return
            self._take(json.loads(data), given)

    def _take(self, message: dict[str, Any], given: list[int]) -> None:
        match message:
            case {"ready": isolation, "protocol": custody.PROTOCOL}:
                if not self._ready.done():
                    self._ready.set_result(Isolation(**isolation))
            case {"ready": _}:
                self._ready.set_exception(ForkServerDied("It speaks another protocol"))
            case {"held": id_, "first": first}:
                self._hold(id_, first, given)
            case {"refused": id_}:
                _log.error("kernel-refused", extra=message)
                self._finish(id_, Exit())
            case {"gone": id_, "status": status}:
                exit_ = Exit() if status is None else Exit.from_status(status)
                self._finish(id_, replace(exit_, reason=message.get("reason")))
                if id_ not in self._held:
                    self._forget(id_)
            case _:
                _log.warning("zygote-not-understood", extra={"message_keys": list(message)})

    def _hold(self, id_: str, first: int, given: list[int]) -> None:
        control, stdout, stderr = given
        process = self._process(id_, Ends(socket.socket(fileno=control), stdout, stderr))
        process.first = first
        process.resume()
        self._processes[id_] = self._held[id_] = process

    def _not_given(self, id_: str, error: OSError) -> None:
        self._finish(id_, Exit(reason=f"not given to the zygote: {error}"))

    def _finish(self, id_: str, exit_: Exit) -> None:
        if (process := self._processes.pop(id_, None)) is not None:
            process.finish(self.explain(id_, exit_))

    def _forget(self, id_: str) -> None:
        """Have the zygote keep nothing of a kernel any more."""
        if not self._left and not self.died.is_set():
            self._outbox.send({"forget": id_})

    def _lose(self) -> None:
        """Take note that the zygote is gone, and every kernel with it."""
        self._forget_link()
        for id_ in tuple(self._processes):
            self._finish(id_, Exit())
        self.died.set()

    def _forget_link(self) -> None:
        self._loop.remove_reader(self._link)
        self._outbox.close()
        if not self._ready.done():
            self._ready.set_exception(ForkServerDied())
            self._ready.exception()  # who does not wait for it need not hear of it
