"""Owners of background work: a coalescing `Wake`, loops that survive their errors, task groups that end with a block.

This is the only module that may catch every exception of a loop's step: a reconciling loop lives as long as its component.
"""

import asyncio
import contextlib
import functools
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable
from typing import Any, ParamSpec, TypeVar

from quarterdeck.base.errors import QuarterdeckError

_P = ParamSpec("_P")
_T = TypeVar("_T")

_log = logging.getLogger(__name__)

RETRY_SECONDS_MIN = 0.05
RETRY_SECONDS_MAX = 2.0
RECONNECT_SECONDS_MAX = 0.2
"""The longest pause of those for whom others wait, and whose attempts cost little."""


class Wake:
    """An alarm that coalesces: any number of `set` before a `wait` wake it once."""

    def __init__(self) -> None:
        self._rings = False
        self._waiters: set[asyncio.Future[bool]] = set()

    def set(self) -> None:
        """Wake the waiter, now or at its next wait."""
        self._rings = True
        for waiter in self._waiters:
            _settle(waiter, woken=True)

    async def wait(self, seconds: float | None = None) -> bool:
        """Wait to be woken, for at most `seconds`; tell whether we were. The alarm is off afterwards."""
        if not self._rings and not await self._woken(seconds):
            return False
        self._rings = False
        return True

    async def _woken(self, seconds: float | None) -> bool:
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[bool] = loop.create_future()
        over = functools.partial(_settle, waiter, woken=False)
        timer = None if seconds is None else loop.call_later(seconds, over)
        self._waiters.add(waiter)
        try:
            return await waiter
        finally:
            self._waiters.discard(waiter)
            if timer is not None:
                timer.cancel()


class Outage:
    """The failures in a row of something that is tried again: logs the first and the recovery, pauses longer each time."""

    def __init__(
        self, name: str, *, pause_seconds_max: float = RETRY_SECONDS_MAX, **fields: object
    ) -> None:
        self._name = name
        self._pause_seconds_max = pause_seconds_max
        self._fields = fields
        self._failures = 0

    async def failed(self, error: Exception) -> None:
        """Note a failure and pause (0.05 s, doubling, up to 2 s or what was given)."""
        self.note(error)
        doubled = RETRY_SECONDS_MIN * 2 ** min(self._failures - 1, 16)
        await pause(min(doubled, self._pause_seconds_max))

    def note(self, error: Exception) -> None:
        """Note a failure. The log has the traceback of errors that nobody expects."""
        if self._failures == 0:
            expected = isinstance(error, (QuarterdeckError, OSError))
            text = f"{type(error).__name__}: {error}"
            extra = {"what": self._name, "error": text, **self._fields}
            _log.warning("failing", extra=extra, exc_info=None if expected else error)
        self._failures += 1

    def over(self) -> bool:
        """Note a success; tell whether it ends an outage."""
        failures, self._failures = self._failures, 0
        if failures:
            extra = {"what": self._name, "failures": failures, **self._fields}
            _log.info("working-again", extra=extra)
        return failures > 0


async def every(
    seconds: float, step: Callable[[], Awaitable[object]], *, name: str, wake: Wake | None = None
) -> None:
    """Run `step` again and again: at once when woken, else `seconds` after the last run ended. Ends only by cancellation.

    A step that raises is run again after a growing pause, see `Outage`.
    """
    wake = wake or Wake()
    outage = Outage(name)
    while True:
        try:
            await step()
        except Exception as error:  # noqa: BLE001 - supervisor: a loop outlives the errors of its steps
            await outage.failed(error)
        else:
            outage.over()
            await wake.wait(seconds)


async def settled(works: Iterable[Coroutine[Any, Any, _T]]) -> list[_T | Exception]:
    """Do several works together, each to its end whatever becomes of the others; return in their order what they return, or raise."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_outcome(work)) for work in works]
    return [task.result() for task in tasks]


async def pause(seconds: float) -> None:
    """Let time pass between two attempts of something that cannot be waited for; the place to sleep outside of this module."""
    await asyncio.sleep(seconds)


async def in_thread(work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """Run a call in a thread. Who is cancelled meanwhile leaves when the call has ended: nothing of it goes on behind the back."""
    call = functools.partial(work, *args, **kwargs)
    running = asyncio.get_running_loop().run_in_executor(None, call)
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running])
        raise


class Background:
    """Tasks that live as long as the block of `background()`."""

    def __init__(self, group: asyncio.TaskGroup) -> None:
        self._group = group
        self._tasks: set[asyncio.Task[Any]] = set()

    def start(self, work: Coroutine[Any, Any, object], *, name: str | None = None) -> None:
        """Start work. If it raises, the block is cancelled and ends with that error."""
        task = self._group.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def cancel(self) -> None:
        """Cancel all that still runs."""
        for task in tuple(self._tasks):
            task.cancel()


@contextlib.asynccontextmanager
async def background() -> AsyncIterator[Background]:
    """Own background tasks for the time of a block; at its end they are cancelled and waited for.

    An error of the block comes out as it is; an ExceptionGroup only comes out when background work failed.
    """
    own: BaseException | None = None
    try:
        async with asyncio.TaskGroup() as group:
            owner = Background(group)
            try:
                yield owner
            except asyncio.CancelledError:
                raise
            except BaseException as error:  # noqa: BLE001 - raised again below, outside of the group
                own = error
            finally:
                owner.cancel()
    except BaseExceptionGroup as failed:
        if own is None:
            raise
        raise BaseExceptionGroup(
            "the block and its work failed", [own, *failed.exceptions]
        ) from None
    if own is not None:
        raise own


async def run_until_stopped(stop: asyncio.Event, *work: Coroutine[Any, Any, object]) -> None:
    """Run the coroutines together until `stop` is set, then cancel them. Raises an ExceptionGroup if one of them fails."""
    async with background() as tasks:
        for coroutine in work:
            tasks.start(coroutine)
        await stop.wait()


async def _outcome(work: Coroutine[Any, Any, _T]) -> _T | Exception:
    try:
        return await work
    except Exception as error:  # noqa: BLE001 - supervisor: whoever has the work done is given it
        return error


def _settle(waiter: asyncio.Future[bool], *, woken: bool) -> None:
    if not waiter.done():
        waiter.set_result(woken)
