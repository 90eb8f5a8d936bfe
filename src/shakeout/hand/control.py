"""The control channel of a running system: a Unix socket in its directory, for its own user only.

A request is one line of JSON with "do"; the answer is a line {"say"} for each step, and at last one
{"did": result} or {"failed": type, "detail", "misused"}. `asking` is the other side.
"""

import asyncio
import contextlib
import json
import os
import socket
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator
from typing import Any

from shakeout.faults.errors import FaultError
from shakeout.hand.acts import Acts, Request
from shakeout.hand.errors import HandFault, Refused
from shakeout.hand.recent import Recent
from shakeout.hand.session import Session
from shakeout.hand.standing import StandingFaults
from shakeout.hand.state import SOCKET
from shakeout.process import protocol
from shakeout.process.errors import ProcessError
from shakeout.system.errors import SystemFault
from shakeout.timeline import record
from shakeout.waiting.errors import WaitHopeless, WaitTimedOut

TOLD = (HandFault, FaultError, ProcessError, SystemFault, WaitTimedOut, WaitHopeless)
ASKERS_MAX = 32
REQUEST_SECONDS_MAX = 5.0


@contextlib.asynccontextmanager
async def controlled(session: Session) -> AsyncIterator[None]:
    """As long as it lasts the commands find the system and may work with it; faults by hand are undone at its end."""
    recent = Recent()
    token = record.current.set(recent)
    try:
        session.publish()
        async with StandingFaults(session.cluster, session.publish) as standing:
            async with await _listen(session, Acts(session, standing, recent)):
                yield
    finally:
        record.current.reset(token)


async def _listen(session: Session, acts: Acts) -> asyncio.Server:
    path = session.cluster.directory / SOCKET
    path.unlink(missing_ok=True)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listening.bind(str(path))
    path.chmod(0o600)  # before anybody can connect
    return await asyncio.start_unix_server(_Desk(acts).receive, sock=listening)


class _Desk:
    """Takes the requests, each on a connection of its own."""

    def __init__(self, acts: Acts) -> None:
        self._acts = acts
        self._askers = 0

    async def receive(self, reader: StreamReader, writer: StreamWriter) -> None:
        """One connection: a request, its answer."""
        self._askers += 1
        try:
            if self._askers <= ASKERS_MAX and _is_own(writer):
                await self._serve(reader, writer)
        except (OSError, TimeoutError):
            return  # the asker is gone, or says nothing
        finally:
            self._askers -= 1
            writer.close()

    async def _serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        async with asyncio.timeout(REQUEST_SECONDS_MAX):
            line = await reader.readline()
        with contextlib.suppress(asyncio.CancelledError):  # by the end of the asker
            async with asyncio.TaskGroup() as group:
                answering = group.create_task(self._answer(line, writer))
                leaving = group.create_task(_left(reader))
                await asyncio.wait({answering, leaving}, return_when=asyncio.FIRST_COMPLETED)
                answering.cancel()
                leaving.cancel()
        await writer.drain()

    async def _answer(self, line: bytes, writer: StreamWriter) -> None:
        def say(words: str) -> None:
            _write(writer, {"say": words})

        try:
            _write(writer, {"did": await self._acts.do(_request(line), say)})
        except Exception as failure:  # noqa: BLE001 - told to whoever asked, and of no concern to others
            _write(writer, _told(failure))


def _told(failure: Exception) -> dict[str, Any]:
    """A failure in words. What nobody foresaw is told with its type."""
    name, foreseen = type(failure).__name__, isinstance(failure, TOLD)
    refused = isinstance(failure, Refused | ProcessError | WaitTimedOut | WaitHopeless)
    return {
        "failed": name,
        "detail": str(failure) if foreseen else f"{name}: {failure}",
        "misused": foreseen and not refused,
    }


def _request(line: bytes) -> Request:
    try:
        found = json.loads(line)
    except ValueError:
        found = None
    return found if isinstance(found, dict) else {}


def _write(writer: StreamWriter, message: dict[str, Any]) -> None:
    writer.write(json.dumps(message).encode() + b"\n")


async def _left(reader: StreamReader) -> None:
    """Return when the asker is gone; what it sends besides counts for nothing."""
    while await reader.read(4096):
        continue


def _is_own(writer: StreamWriter) -> bool:
    """Whether the asker is this user."""
    own: socket.socket = writer.get_extra_info("socket")
    return protocol.peer(own)[1] == os.getuid()
