"""The plugin's one event loop: runs coroutines of tests and fixtures, and stops them when it must.

What runs is raced with its guards (futures that hold the death of a component): a death cancels
it at once and is the error that the caller sees. Signals stop it the same way. Created by
`shakeout.plugin`; `shakeout.fixtures` adds the guards.
"""

import asyncio
import contextlib
import contextvars
from asyncio import FIRST_COMPLETED
from collections.abc import Coroutine, Iterable, Iterator
from contextlib import AbstractAsyncContextManager
from typing import Any, Generic, TypeVar

from shakeout import stacks

Value = TypeVar("Value")
Guard = asyncio.Future[BaseException]

EXPLANATION_SECONDS = 0.2  # a failure waits so long for a death that explains it
CLEANUP_SECONDS_MAX = 5.0  # what was cancelled may clean up so long before it is cancelled again
CLOSE_SECONDS_MAX = 1.0


class Runner:
    """Runs one coroutine at a time on a loop that lives as long as the process's tests.

    The loop is made on first use. Not for use from other threads.
    """

    def __init__(self) -> None:
        self._asyncio = asyncio.Runner()
        self.guards: list[Guard] = []
        self._task: asyncio.Task[Any] | None = None
        self._interruption: BaseException | None = None

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        return self._asyncio.get_loop()

    @property
    def running(self) -> bool:
        """Whether the loop runs right now, as a signal handler may ask."""
        return self.loop.is_running()

    def run(self, coroutine: Coroutine[Any, Any, Value]) -> Value:
        """Run to the end and return the result. Raises a guard's death in place of any other error."""
        __tracebackhide__ = True
        if self.running:
            coroutine.close()
            raise RuntimeError("the loop runs already: this is a coroutine, so await it")
        self._interruption = None
        try:
            return self._asyncio.run(self._guarded(coroutine), context=contextvars.copy_context())
        finally:
            self._abandon()

    @contextlib.contextmanager
    def guarded_by(self, guard: Guard) -> Iterator[None]:
        """Let the exception that `guard` comes to hold stop whatever runs meanwhile."""
        self.guards.append(guard)
        try:
            yield
        finally:
            self.guards.remove(guard)

    def death(self) -> BaseException | None:
        """The first death that a guard holds."""
        return _first(self.guards)

    def look(self) -> None:
        """Let the loop handle what has happened while nothing ran, for instance a death."""
        self._asyncio.run(_turn())

    def raise_death(self) -> None:
        """Look, and raise the first death that a guard holds."""
        self.look()
        death = self.death()
        if death is not None:
            raise death

    def explained(self, within: float = EXPLANATION_SECONDS) -> BaseException | None:
        """The death behind a failure of code that did not run here; waits shortly (seconds) for one."""
        return self._asyncio.run(_explanation(self.guards, within))

    def raise_explanation(self, error: BaseException) -> None:
        """Raise the death behind `error`, if there is one, at the place of the error."""
        death = self.explained()
        if death is not None and death is not error:
            _mention(death, error)
            raise death.with_traceback(error.__traceback__) from None

    def interrupt(self, error: BaseException) -> None:
        """For signal handlers: stop what runs, which then raises `error`.

        Raises it here when nothing runs, when the code of the test itself is interrupted, and the
        second time.
        """
        __tracebackhide__ = True
        task = self._task
        if task is None or self._interruption is not None or self._is_current(task):
            raise error
        self._interruption = error
        task.cancel()
        self.loop.call_soon_threadsafe(_nothing)

    def describe_tasks(self) -> str:
        """Where each task waits. For signal handlers, too."""
        return stacks.dump(self.loop)

    def keep(self, resource: AbstractAsyncContextManager[Value]) -> "Kept[Value]":
        """Enter `resource` in a task of its own, and keep it until the result is closed."""
        kept = Kept(self, resource)
        kept.open()
        return kept

    def close(self) -> None:
        """Cancel what is left and close the loop, also above a task that does not let itself be ended."""
        loop = self.loop
        self._asyncio.run(_ended(asyncio.all_tasks(loop), CLOSE_SECONDS_MAX))
        if asyncio.all_tasks(loop):
            loop.close()
        else:
            self._asyncio.close()

    def _is_current(self, task: asyncio.Task[Any]) -> bool:
        return asyncio.current_task(self.loop) is task

    async def _guarded(self, coroutine: Coroutine[Any, Any, Value]) -> Value:
        """Deaths from before the run are no news here: clean-up must run in spite of them."""
        __tracebackhide__ = True
        self._task = asyncio.current_task()
        guards = [guard for guard in self.guards if not guard.done()]
        try:
            with _cancelled_by(guards):
                value = await coroutine
        except BaseException as error:
            told = await self._verdict(error, guards)
            if told is error:
                raise
            raise told.with_traceback(error.__traceback__) from None
        finally:
            self._task = None
        died = _first(guards)
        if died is not None:
            raise died
        return value

    async def _verdict(self, error: BaseException, guards: list[Guard]) -> BaseException:
        """Which error to tell: an interruption, else a death, else the error itself."""
        if self._interruption is not None:
            return self._interruption
        if isinstance(error, KeyboardInterrupt | SystemExit):
            return error
        death = await _explanation(guards, EXPLANATION_SECONDS)
        if death is None:
            return error
        _mention(death, error)
        return death

    def _abandon(self) -> None:
        """End a task that the loop was torn away from, by an exception out of a signal handler."""
        task, self._task = self._task, None
        if task is not None and not task.done():
            self._asyncio.run(_ended({task}, CLEANUP_SECONDS_MAX))


class Kept(Generic[Value]):
    """An async resource that stays entered between runs; a task of its own enters and leaves it."""

    def __init__(self, runner: Runner, resource: AbstractAsyncContextManager[Value]) -> None:
        self._runner = runner
        self._resource = resource
        self._release = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.value: Value

    def open(self) -> None:
        """Return when the resource is entered. Raises what entering raises."""
        self._runner.run(self._opened())

    def close(self) -> None:
        """Return when the resource is left. Raises what leaving raises, or what ended it before."""
        self._release.set()
        task, self._task = self._task, None
        if task is not None:
            self._runner.run(_result(task))

    async def _opened(self) -> None:
        loop = asyncio.get_running_loop()
        entered: asyncio.Future[None] = loop.create_future()
        task = loop.create_task(self._hold(entered))
        try:
            await asyncio.wait({task, entered}, return_when=FIRST_COMPLETED)
        except asyncio.CancelledError:
            task.cancel()
            await asyncio.wait({task})
            raise
        if not entered.done():
            await task
        self._task = task

    async def _hold(self, entered: asyncio.Future[None]) -> None:
        async with self._resource as self.value:
            entered.set_result(None)
            await self._release.wait()


@contextlib.contextmanager
def _cancelled_by(guards: list[Guard]) -> Iterator[None]:
    """Cancel the current task when a guard is done, and again if it lingers in its clean-up."""
    task = asyncio.current_task()
    if task is None:
        raise RuntimeError("needs a task to cancel")
    loop = task.get_loop()
    timers: list[asyncio.TimerHandle] = []

    def cancel(*_: object) -> None:
        task.cancel()
        timers.append(loop.call_later(CLEANUP_SECONDS_MAX, cancel))

    watched = list(guards)
    for guard in watched:
        guard.add_done_callback(cancel)
    try:
        yield
    finally:
        for guard in watched:
            guard.remove_done_callback(cancel)
        for timer in timers:
            timer.cancel()


def _mention(death: BaseException, error: BaseException) -> None:
    """Mention in a death what else the test raised."""
    if error is not death and not isinstance(error, asyncio.CancelledError):
        death.add_note(f"meanwhile the test raised {type(error).__name__}: {error}")


def _first(guards: Iterable[Guard]) -> BaseException | None:
    return next((guard.result() for guard in guards if guard.done()), None)


async def _explanation(guards: list[Guard], within: float) -> BaseException | None:
    if guards and _first(guards) is None:
        await asyncio.wait(guards, timeout=within, return_when=FIRST_COMPLETED)
    return _first(guards)


async def _turn() -> None:
    for _ in range(3):  # readiness of a descriptor, its reader, the reader's awaiter
        await asyncio.sleep(0)


async def _ended(tasks: set[asyncio.Task[Any]], seconds_max: float) -> None:
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=seconds_max)


async def _result(task: asyncio.Task[Value]) -> Value:
    return await task


def _nothing() -> None:
    """Wake the loop up."""
