"""The conversation of `qd session shell` with the terminal of a session, over broken connections.

The keys are read whether there is a connection or not, so that it can be left at any time.
"""

import argparse
import asyncio
import contextlib
import signal
from collections.abc import Iterator
from typing import NamedTuple

from quarterdeck.base import clock as clocks
from quarterdeck.base import tasks
from quarterdeck.cli.screen import Screen
from quarterdeck.client.comeback import Comeback
from quarterdeck.client.errors import ClientError, Refused, ShellGone
from quarterdeck.client.request import Credentials
from quarterdeck.client.sessions import Session, Sessions
from quarterdeck.client.terminals import Terminal
from quarterdeck.client.transport_async import Transport

KEY = b"\x1d"
"""Ctrl-]: twice leaves. One is passed on with the next key, or after `KEY_SECONDS`."""
KEY_SECONDS = 0.5
FLUSH_SECONDS = 0.5
TYPED_BYTES_MAX = 2**16
_ENDING = (signal.SIGTERM, signal.SIGHUP)
_GONE = frozenset({404, 409})


class End(NamedTuple):
    """How it ended, as an exit code."""

    code: int
    left: bool = False


ENDED, LEFT, HUNG_UP = End(0), End(0, left=True), End(128 + signal.SIGHUP)


def run(credentials: Credentials, session: str, given: argparse.Namespace, screen: Screen) -> End:
    """Pass on what is typed and shown until the shell ends or is left. Raises `ClientError`s."""
    return asyncio.run(_run(credentials, session, given, screen))


async def _run(
    credentials: Credentials, session: str, given: argparse.Namespace, screen: Screen
) -> End:
    async with Transport.open(credentials, clocks.SystemClock()) as transport:
        return await _Link(transport, session, given, screen).follow()


class _Link:
    def __init__(
        self, transport: Transport, session: str, given: argparse.Namespace, screen: Screen
    ) -> None:
        self._sessions = Sessions(transport)
        self._id = session
        self._given = given
        self._screen = screen
        self._loop = asyncio.get_running_loop()
        self._comeback = Comeback()
        self._typed = bytearray()
        self._held: asyncio.TimerHandle | None = None
        self._wake = tasks.Wake()
        self._end = ENDED
        self._deadline = asyncio.timeout(None)
        self._connected = False
        self._seen = False

    async def follow(self) -> End:
        """Be connected until the shell ends or is left."""
        with self._listening():
            try:
                async with self._deadline:
                    await self._converse()
            except TimeoutError:
                if not self._deadline.expired():
                    raise
        return self._end

    @contextlib.contextmanager
    def _listening(self) -> Iterator[None]:
        """Take keys and signals."""
        self._loop.add_signal_handler(signal.SIGWINCH, self._wake.set)
        for each in _ENDING:
            self._loop.add_signal_handler(each, self._leave, End(128 + each))
        self._loop.add_reader(self._screen.keys, self._read)
        try:
            yield
        finally:
            self._loop.remove_reader(self._screen.keys)
            for each in (signal.SIGWINCH, *_ENDING):
                self._loop.remove_signal_handler(each)

    async def _converse(self) -> None:
        session = await self._sessions.get(self._id)
        while True:
            try:
                ended, error = await self._connection(session), None
            except ClientError as caught:
                if self._seen and isinstance(caught, Refused) and caught.status in _GONE:
                    raise ShellGone from caught
                ended, error = False, caught
            if ended:
                return
            pause = self._comeback.pause(error, self._loop.time())
            self._screen.show(b"\r\nqd: the connection is lost, trying again\r\n")
            await tasks.pause(pause)

    async def _connection(self, session: Session) -> bool:
        """Be connected as long as that lasts; tell whether the shell has ended."""
        rows, columns = self._screen.size()
        async with session.terminal(
            self._given.terminal,
            rows=rows,
            columns=columns,
            kernel=self._given.kernel,
            existing=self._seen,
        ) as terminal:
            self._connected = True
            try:
                async with tasks.background() as background:
                    background.start(self._send(terminal))
                    await self._show(terminal)
            finally:
                self._connected = False
            return terminal.ended

    async def _show(self, terminal: Terminal) -> None:
        stale, self._seen = self._seen, True
        async for piece in terminal:
            self._comeback.answered()
            if stale:
                self._screen.clear()
                stale = False
            self._screen.show(piece)

    async def _send(self, terminal: Terminal) -> None:
        size: tuple[int, int] | None = None
        with contextlib.suppress(ConnectionError):
            while True:
                if (now := self._screen.size()) != size:
                    await terminal.resize(*now)
                    size = now
                if self._typed:
                    data = bytes(self._typed)
                    self._typed.clear()
                    await terminal.type(data)
                    self._loop.add_reader(self._screen.keys, self._read)
                if self._end != ENDED:
                    self._deadline.reschedule(self._loop.time())
                await self._wake.wait()

    def _read(self) -> None:
        data = self._screen.read()
        if not data:
            self._leave(HUNG_UP)
            return
        data = self._release() + data
        at = data.find(KEY * 2)
        if at >= 0:
            self._type(data[:at])
            self._leave(LEFT)
        elif data.endswith(KEY):
            self._type(data[:-1])
            self._held = self._loop.call_later(KEY_SECONDS, self._pass_on)
        else:
            self._type(data)

    def _release(self) -> bytes:
        """Return the key that is held back, if one is."""
        held, self._held = self._held, None
        if held is None:
            return b""
        held.cancel()
        return KEY

    def _pass_on(self) -> None:
        self._type(self._release())

    def _type(self, data: bytes) -> None:
        self._typed += data
        if len(self._typed) >= TYPED_BYTES_MAX:
            self._loop.remove_reader(self._screen.keys)
        self._wake.set()

    def _leave(self, end: End) -> None:
        """End with this, when what was typed before is on its way."""
        self._end = end
        self._loop.remove_reader(self._screen.keys)
        self._deadline.reschedule(self._loop.time() + FLUSH_SECONDS * self._connected)
        self._wake.set()
