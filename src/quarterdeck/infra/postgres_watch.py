"""Connections to PostgreSQL whose sockets stay watched between statements. Used by `postgres_reconnection` and `notifications`.

To begin and to end a watch for each answer, as psycopg does, costs more than to read the answer: eight system calls with uvloop.
"""

import asyncio
import contextlib
import select
from typing import TypeVar

import psycopg
from psycopg.abc import PQGen
from psycopg.pq import TransactionStatus
from psycopg.waiting import READY_R, WAIT_R, Wait

LOOK_SECONDS = 0.1
"""How often psycopg looks up from waits of its own."""

CANCEL_SECONDS_MAX = 5.0

_Row = TypeVar("_Row", covariant=True)
_T = TypeVar("_T")


class Connection(psycopg.AsyncConnection[_Row]):
    """One connection. Waits that have a time-out, or are not for an answer only, are psycopg's own."""

    _watched = -1
    """The descriptor that the event loop watches; -1: none."""

    _waiter: asyncio.Future[None] | None = None
    _state: "select.poll | None" = None
    """Tells whether the connection is about to end."""

    async def wait(
        self,
        gen: PQGen[_T],
        interval: float = LOOK_SECONDS,
        timeout: float | None = None,  # noqa: ASYNC109 - psycopg's
    ) -> _T:
        """Take an operation to its end. Raises `psycopg.Error`."""
        try:
            state = next(gen)
            while state == WAIT_R and timeout is None:
                await self._readable()
                state = gen.send(READY_R)
        except StopIteration as done:
            result: _T = done.value
            return result
        except asyncio.CancelledError:
            self._unwatch()
            await self._cancel(gen)
            raise
        except psycopg.Error:
            self._unwatch()
            raise
        self._unwatch()
        return await super().wait(_rest(gen, state), interval, timeout)

    async def close(self) -> None:
        """Close it."""
        self._unwatch()
        await super().close()

    async def _cancel(self, gen: PQGen[_T]) -> None:
        """Have the server end what runs, so that the connection can be used again. One where that fails shows that something runs."""
        if self.pgconn.transaction_status == TransactionStatus.ACTIVE:
            with contextlib.suppress(psycopg.Error):
                await self.cancel_safe(timeout=CANCEL_SECONDS_MAX)
                await super().wait(_rest(gen, WAIT_R), timeout=CANCEL_SECONDS_MAX)

    async def _readable(self) -> None:
        """Return when something has come, or the server is gone."""
        loop = asyncio.get_running_loop()
        if self._watched < 0:
            descriptor = self.pgconn.socket
            loop.add_reader(descriptor, self._wake)
            self._watched = descriptor
            self._state = select.poll()
            self._state.register(descriptor, 0)
        self._waiter = loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        """Something has come. For what nobody waits for the watch ends: else the loop would tell of it again and again.

        So it does at the end of a connection: uvloop tells of a reset once, and then watches no more.
        """
        if self._waiter is None or self._ends():
            self._unwatch()
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _ends(self) -> bool:
        return self._state is not None and bool(self._state.poll(0))

    def _unwatch(self) -> None:
        """End the watch, before the descriptor is closed and given to something else."""
        if self._watched >= 0:
            asyncio.get_running_loop().remove_reader(self._watched)
            self._watched, self._state = -1, None


def _rest(gen: PQGen[_T], state: Wait) -> PQGen[_T]:
    """Give what is left of an operation that has told what it waits for."""
    try:
        while True:
            state = gen.send((yield state))
    except StopIteration as done:
        result: _T = done.value
        return result
