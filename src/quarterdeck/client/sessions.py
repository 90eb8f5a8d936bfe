"""Sessions in the SDK: creating and finding them, and the handle of one."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from typing import Any

import msgspec

from quarterdeck.base import ids
from quarterdeck.client import api, events, procedures, typed
from quarterdeck.client.errors import ClientError, NotReached
from quarterdeck.client.executions import Run
from quarterdeck.client.folders import Folder
from quarterdeck.client.terminals import Terminal
from quarterdeck.client.transport_async import Transport
from quarterdeck.wire.executions import Completion, Execution
from quarterdeck.wire.items import Items
from quarterdeck.wire.sessions import (
    HistoryRow,
    Logs,
    SessionStatus,
    SessionView,
    Slots,
)
from quarterdeck.wire.starts import SessionStarted

LOOK_SECONDS_MAX = 1.0


class Sessions:
    """One's own sessions."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def create(
        self,
        image: str = "python:3.11",
        *,
        slots: Slots | Mapping[str, int] | None = None,
        name: str | None = None,
        mounts: Mapping[str, "Folder | str | Mapping[str, Any]"] | None = None,
        environment: Mapping[str, str] | None = None,
        wait: float = 0,
        execute: str | None = None,
        **more: Any,
    ) -> "Session":
        """Ask for a session and return its handle; `mounts` maps paths in it to folders: handles, ids, or `Folder.mount(...)`.

        At once, or with `wait` when it runs or has ended, after so many seconds at the latest. With that it may `execute` code first;
        the handle's `execution` is what came of it.

        `more`: the other fields of a request (`quarterdeck.wire.sessions.SessionCreate`), such as `cluster_size`, `type`, `command`
        and `depends_on`, whose sessions may be handles. `slots` are for each kernel.
        """
        request = api.create_session(
            image,
            slots=msgspec.to_builtins(slots or {}),
            name=name,
            mounts=[{**_mount(folder), "path": path} for path, folder in (mounts or {}).items()],
            environment=environment,
            wait_seconds=wait,
            more={
                **more,
                "execute": execute and {"code": execute},
                "depends_on": [getattr(one, "id", one) for one in more.get("depends_on", ())],
            },
        )
        started = await self._transport.call(request, SessionStarted)
        return Session(self._transport, started, started.execution)

    async def list(
        self, *, status: SessionStatus | str | None = None, ended: bool = False
    ) -> "list[SessionView]":
        """Return live sessions; those of one status; with `ended` all."""
        request = api.list_sessions(status=status, ended=ended)
        return (await self._transport.call(request, Items[SessionView])).items

    async def watch(self, id_: str, *, after: int = 0) -> AsyncGenerator[HistoryRow, None]:
        """Give the changes of a session and its kernels as they come, after a sequence number, until the session has ended.

        It comes back after a connection that broke; nothing is missed and nothing comes twice. Raises `Refused`, `Unreachable`.
        """
        following = events.Following(api.session_events(id_), after)
        async with contextlib.aclosing(self._transport.follow(following)) as rows:
            async for row in rows:
                yield typed.convert(row, HistoryRow)

    async def watch_all(self, *, after: int | None = None) -> AsyncGenerator[HistoryRow, None]:
        """Give the changes of all own sessions as they come, from now on or after a sequence number. It does not end by itself."""
        following = events.Following(api.EVENTS, after)
        async with contextlib.aclosing(self._transport.follow(following)) as rows:
            async for row in rows:
                yield typed.convert(row, HistoryRow)

    async def get(self, given: str) -> "Session":
        """Return the handle of a session by id or name. Raises `Refused`, `NotFound`."""
        found = await self._transport.run(procedures.find_session(given))
        return self._handle(typed.convert(found, SessionView))

    def _handle(self, view: SessionView) -> "Session":
        return Session(self._transport, view)


class Session:
    """A session. `view` is what was last seen of it, `execution` what came of the code that it was to run first."""

    def __init__(
        self, transport: Transport, view: SessionView, execution: Execution | None = None
    ) -> None:
        self._transport = transport
        self._progress = procedures.Progress(view.id)
        self.view = view
        self.execution = execution

    def __repr__(self) -> str:
        return f"Session({self.id!r}, {self.view.status.value})"

    @property
    def id(self) -> str:
        """The session's id."""
        return self.view.id

    async def refresh(self) -> SessionView:
        """Look at the session again."""
        self.view = await self._transport.call(api.get_session(self.id), SessionView)
        return self.view

    async def reaches(self, status: SessionStatus | str, *, within: float) -> HistoryRow:
        """Wait at most `within` seconds until the session is or has been in a state, and return that row of its history.

        Raises `SessionEnded` at once when it ends instead, with the cause, and `NotReached` (a TimeoutError) when time is up.
        """
        wanted = SessionStatus(status)
        try:
            async with asyncio.timeout(within):
                row = await self._transport.run(procedures.reach(self._progress, wanted))
        except TimeoutError as error:
            await self._look()
            raise NotReached(
                f"session {self.id} is not {wanted} within {within:g} s: {self._progress}"
            ) from error
        return typed.convert(row, HistoryRow)

    async def history(self, *, after: int = 0) -> list[HistoryRow]:
        """Return all changes of the session and its kernel after a sequence number."""
        request = api.get_history(self.id, after=after)
        return (await self._transport.call(request, Items[HistoryRow])).items

    async def execute(
        self,
        code: str | None = None,
        *,
        command: Sequence[str] = (),
        run: str | None = None,
        wait: float | None = None,
        stdin: bool = False,
        kernel: str | None = None,
    ) -> Execution:
        """Run code, or a command, in the session and return what came of it; an exception in the code is a result, not an error.

        With `wait` the answer comes after so many seconds at the latest, and `run(answer.run)` follows what goes on. `stdin`: answer
        it when the code asks for input. An id of one's own (`run`) makes it safe to ask again: the same id runs once.
        In a cluster it runs in the main kernel, or in one named by its hostname (`sub1`).
        """
        request = api.execute(
            self.id,
            code,
            command=command,
            run=run or ids.new(self._transport.clock),
            wait=wait,
            stdin=stdin,
            kernel=kernel,
        )
        return await self._transport.call(request, Execution)

    def run(self, id_: str, *, kernel: str | None = None) -> Run:
        """Return the handle of a run, in the main kernel or one named by its hostname."""
        return Run(self._transport, self.id, id_, kernel)

    async def interrupt(self, *, kernel: str | None = None) -> None:
        """Interrupt whatever runs in the session's main kernel, or one named by its hostname."""
        await self._transport.raw(api.interrupt(self.id, kernel=kernel))

    async def complete(
        self, code: str, cursor: int | None = None, *, kernel: str | None = None
    ) -> Completion:
        """Return how code could go on before a place in it, or at its end."""
        return await self._transport.call(api.complete(self.id, code, cursor, kernel), Completion)

    @contextlib.asynccontextmanager
    async def terminal(
        self,
        name: str = "main",
        *,
        rows: int = 24,
        columns: int = 80,
        kernel: str | None = None,
        existing: bool = False,
    ) -> AsyncIterator[Terminal]:
        """Be connected to a terminal of the session for the time of a block; it is opened if it is not, and stays open afterwards.

        An `existing` one is not opened: if it is gone, it is `Refused` (404). Raises `Refused`, `Unreachable`.
        """
        if not existing:
            wanted = api.open_terminal(self.id, name, rows=rows, columns=columns, kernel=kernel)
            await self._transport.raw(wanted)
        request = api.connect_terminal(self.id, name, kernel)
        async with self._transport.socket(request) as socket:
            yield Terminal(socket)

    async def close_terminal(self, name: str = "main", *, kernel: str | None = None) -> None:
        """End a terminal; fine if it is not open."""
        await self._transport.raw(api.close_terminal(self.id, name, kernel))

    async def logs(self, *, kernel: str | None = None) -> str:
        """Return what the session's main kernel has written, or one named by its hostname."""
        return (await self._transport.call(api.get_logs(self.id, kernel), Logs)).text

    async def restart(self) -> None:
        """Ask for new processes in the session's place: files, mounts and slots stay, variables go. `reaches` looks at what comes now.

        Raises `Refused`.
        """
        self.view = await self._transport.call(api.restart_session(self.id), SessionView)
        self._progress = await self._transport.run(procedures.restarted(self.id))

    async def terminate(self, *, force: bool = False, wait: float = 0) -> None:
        """Ask the session to end; fine if it is ending or has ended. By force, it has ended at once, whatever its agents say.

        With `wait` this returns when it has ended, after so many seconds at the latest.
        """
        request = api.delete_session(self.id, force=force, wait_seconds=wait)
        self.view = await self._transport.call(request, SessionView)

    async def _look(self) -> None:
        """Take in how far the session has come, if that can be told soon."""
        with contextlib.suppress(ClientError, TimeoutError):
            async with asyncio.timeout(LOOK_SECONDS_MAX):
                await self._transport.run(procedures.look(self._progress))


def _mount(folder: "Folder | str | Mapping[str, Any]") -> Mapping[str, Any]:
    if isinstance(folder, Folder):
        return folder.mount()
    return {"folder": folder} if isinstance(folder, str) else folder
