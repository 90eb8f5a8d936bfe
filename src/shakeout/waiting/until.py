"""The one wait loop: `until` waits for a condition and explains itself when it does not come.

Works with `shakeout.waiting.samples` (what was seen) and `shakeout.waiting.witness` (log lines); each wait is a
span of the test's timeline.
"""

import asyncio
import dataclasses
import inspect
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Generic, Protocol, TypeVar, overload

from shakeout.timeline import record
from shakeout.waiting import errors, nearest, samples, witness

Value = TypeVar("Value")
Answer = TypeVar("Answer")
Wake = AsyncIterator[object] | Callable[[], Awaitable[object]]

POLL_SECONDS_MIN = 0.005
POLL_SECONDS_MAX = 0.05
RECHECK_SECONDS = 0.5  # an event may get lost: look all the same, seldom
GRACE_SECONDS = 0.1  # the last sample starts at the deadline; a probe may take that long


@overload
async def until(
    probe: Callable[[], Awaitable[Value]],
    *,
    within: float,
    describe: str = "",
    satisfied: Callable[[Value], object] = bool,
    hopeless: Callable[[Value], str | bool | None] | None = None,
    wake: Wake | None = None,
    retry_on: tuple[type[Exception], ...] = (),
) -> Value: ...


@overload
async def until(
    probe: Callable[[], Value],
    *,
    within: float,
    describe: str = "",
    satisfied: Callable[[Value], object] = bool,
    hopeless: Callable[[Value], str | bool | None] | None = None,
    wake: Wake | None = None,
    retry_on: tuple[type[Exception], ...] = (),
) -> Value: ...


async def until(
    probe: Callable[[], Value | Awaitable[Value]],
    *,
    within: float,
    describe: str = "",
    satisfied: Callable[[Value], object] = bool,
    hopeless: Callable[[Value], str | bool | None] | None = None,
    wake: Wake | None = None,
    retry_on: tuple[type[Exception], ...] = (),
) -> Value:
    """Call `probe` until `satisfied` with its value, and return that value.

    `within` is in seconds. `hopeless` tells from a value why waiting on is useless (a cause, or
    true); that ends the wait at once. With `wake` (an async iterator, which is used up, or a
    function that returns something to await) the probe is called when there is news; without, it
    polls. Exceptions of the probe pass through unless named in `retry_on`. A time-out names the nearest
    miss where `satisfied` tells how near a value is, see `shakeout.waiting.nearest`.

    Raises WaitTimedOut or WaitHopeless, which show the samples over time and what the components
    of the test logged meanwhile; ValueError for a time that is none, TypeError for a condition that
    gives no answer.
    """
    if math.isnan(within):
        raise ValueError("`within` is a number of seconds, not nan: that wait would never end")
    what = describe or samples.name_of(probe)
    condition = nearest.condition(satisfied)
    wait = _Wait(_Question(probe, within, what, condition, hopeless, retry_on))
    if wake is None:
        return await wait.run(_Polling())
    try:
        async with asyncio.TaskGroup() as group:
            pace = _Woken(wake)
            pump = group.create_task(pace.pump())
            value = await wait.run(pace)
            pump.cancel()
    except BaseExceptionGroup as failed:
        if len(failed.exceptions) == 1:
            raise failed.exceptions[0] from None
        raise
    return value


class _Pace(Protocol):
    async def armed(self) -> None:
        """Return when news from now on cannot be missed."""

    async def pause(self, seconds_left: float) -> None:
        """Return when it is time for the next sample."""


class _Polling:
    def __init__(self) -> None:
        self._seconds = POLL_SECONDS_MIN

    async def armed(self) -> None:
        return

    async def pause(self, seconds_left: float) -> None:
        await asyncio.sleep(min(self._seconds, seconds_left))
        self._seconds = min(self._seconds * 1.5, POLL_SECONDS_MAX)


class _Woken:
    def __init__(self, wake: Wake) -> None:
        self._wake = wake
        self._news = asyncio.Event()
        self._recheck_seconds = RECHECK_SECONDS

    async def pump(self) -> None:
        """Note each piece of news. When the source ends, go on at the pace of polling."""
        try:
            if isinstance(self._wake, AsyncIterator):
                async for _ in self._wake:
                    await self._noted()
            else:
                while True:
                    await self._wake()
                    await self._noted()
        finally:
            self._recheck_seconds = POLL_SECONDS_MAX
            self._news.set()

    async def _noted(self) -> None:
        self._news.set()
        await asyncio.sleep(0)  # a source that is always ready must not starve the sampling

    async def armed(self) -> None:
        await asyncio.sleep(0)  # lets `pump` come back to its source before the sample is taken

    async def pause(self, seconds_left: float) -> None:
        try:
            async with asyncio.timeout(min(self._recheck_seconds, seconds_left)):
                await self._news.wait()
        except TimeoutError:
            return
        self._news.clear()


@dataclasses.dataclass(frozen=True)
class _Question(Generic[Value]):
    probe: Callable[[], Value | Awaitable[Value]]
    within: float
    what: str
    satisfied: Callable[[Value], object]
    hopeless: Callable[[Value], str | bool | None] | None
    retry_on: tuple[type[Exception], ...]


class _Wait(Generic[Value]):
    def __init__(self, question: _Question[Value]) -> None:
        self._question = question
        self._what = question.what
        self._seen = samples.Samples(nearest.measure(question.satisfied))
        self._time = asyncio.get_running_loop().time
        self._began = self._time()
        self._deadline = self._began + question.within
        self._witness = witness.current.get()
        self._mark: Mapping[str, int] = self._witness.mark() if self._witness else {}

    async def run(self, pace: _Pace) -> Value:
        with record.span("wait", self._what, within=self._question.within) as fields:
            try:
                return await self._answer(pace)
            finally:
                fields["samples"] = self._seen.changes()
                fields["nearest"] = str(self._seen.nearest or "")

    async def _answer(self, pace: _Pace) -> Value:
        while True:
            await pace.armed()
            last = self._time() >= self._deadline
            try:
                value = await self._sample()
            except self._question.retry_on as error:
                self._seen.exception(self._elapsed(), error)
            else:
                self._seen.value(self._elapsed(), value)
                if _answer("satisfied", self._question.satisfied(value)):
                    return value
                self._give_up_if_hopeless(value)
            if last:
                raise self._timed_out()
            await pace.pause(max(0.0, self._deadline - self._time()))

    async def _sample(self) -> Value:
        value = self._question.probe()
        if not inspect.isawaitable(value):
            return value
        limit = asyncio.timeout_at(max(self._deadline, self._time()) + GRACE_SECONDS)
        try:
            async with limit:
                return await value
        except TimeoutError:
            if not limit.expired():
                raise
            self._seen.note(self._elapsed(), "the probe had not returned when the time was up")
            raise self._timed_out() from None

    def _give_up_if_hopeless(self, value: Value) -> None:
        hopeless = self._question.hopeless
        cause = _answer("hopeless", hopeless(value)) if hopeless else None
        if cause:
            text = cause if isinstance(cause, str) else f"saw {samples.render(value)}"
            raise errors.WaitHopeless(self._what, self._elapsed(), self._evidence(), text)

    def _timed_out(self) -> errors.WaitTimedOut:
        return errors.WaitTimedOut(
            self._what, self._elapsed(), self._evidence(), self._seen.nearest_or_last()
        )

    def _elapsed(self) -> float:
        return self._time() - self._began

    def _evidence(self) -> str:
        lines = self._seen.lines()
        logs = self._witness.since(self._mark) if self._witness else {}
        for component, logged in logs.items():
            lines.append(f"log of {component} since the wait began:")
            lines.extend(f"  {line}" for line in logged)
        return "\n".join(f"  {line}" for line in lines)


def _answer(asked: str, answer: Answer) -> Answer:
    """What a condition says. Raises TypeError for what would count as true, and is no answer."""
    if answer is NotImplemented:
        raise TypeError(f"`{asked}` cannot compare this value: it answers NotImplemented")
    if inspect.isawaitable(answer):
        if inspect.iscoroutine(answer):
            answer.close()
        raise TypeError(f"`{asked}` must answer at once: it is asynchronous; wait in the probe")
    return answer
