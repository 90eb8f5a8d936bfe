"""`until`: returns what satisfied it, ends early when hopeless, and explains itself when it fails."""

import asyncio
import itertools
import re
import sys
from collections.abc import AsyncIterator

import pytest

from shakeout.waiting import errors, witness
from shakeout.waiting.until import until


def counting(last: int):
    """A probe that returns 0, 1, 2 … and stays at `last`."""
    numbers = itertools.count()
    return lambda: min(next(numbers), last)


async def test_until_returns_the_first_true_value():
    assert await until(counting(3), within=1) == 1


async def test_until_returns_the_value_that_satisfies():
    assert await until(counting(5), within=1, satisfied=lambda seen: seen >= 3) == 3


async def test_until_awaits_an_async_probe():
    async def probe() -> str:
        return await asyncio.to_thread(str.lower, "READY")

    assert await until(probe, within=1) == "ready"


async def test_until_needs_no_time_when_satisfied_already():
    assert await until(lambda: "there", within=0) == "there"


async def test_until_times_out_with_description_and_samples():
    with pytest.raises(errors.WaitTimedOut) as caught:
        await until(lambda: "PENDING", within=0.02, describe="it runs", satisfied="RUNNING".__eq__)
    headline, count, sample = str(caught.value).splitlines()
    assert headline.startswith("timed out: waited 0.")
    assert headline.endswith(" s for: it runs")
    assert count.endswith(" samples:")
    assert re.fullmatch(r"\s+0\.\d{3} s  'PENDING'  \(x\d+, until 0\.\d+ s\)", sample)


async def test_until_names_a_probe_without_description():
    def session_is_running() -> bool:
        return False

    with pytest.raises(errors.WaitTimedOut, match="for: session_is_running"):
        await until(session_is_running, within=0)


async def test_until_shows_the_source_of_a_lambda():
    with pytest.raises(errors.WaitTimedOut, match="until\\(lambda: 1 > 2, within=0\\)"):
        await until(lambda: 1 > 2, within=0)


async def test_until_looks_once_more_at_the_deadline():
    began = asyncio.get_running_loop().time()

    def late() -> bool:
        return asyncio.get_running_loop().time() - began >= 0.03

    assert await until(late, within=0.03)


async def test_until_ends_at_once_when_hopeless():
    with pytest.raises(errors.WaitHopeless) as caught:
        await until(
            counting(9),
            within=60,
            satisfied=lambda seen: seen == "RUNNING",
            hopeless=lambda seen: seen == 2 and "it is CANCELLED, no agent has 99 cores",
        )
    assert caught.value.seconds < 30
    assert "cause: it is CANCELLED, no agent has 99 cores" in str(caught.value)


async def test_until_prefers_satisfied_to_hopeless():
    assert await until(lambda: "end", within=1, hopeless=lambda _: True) == "end"


async def test_until_lets_unexpected_exceptions_pass():
    def broken() -> bool:
        raise LookupError("typo in the probe")

    with pytest.raises(LookupError, match="typo"):
        await until(broken, within=1, retry_on=(ConnectionError,))


async def test_until_retries_named_exceptions():
    numbers = itertools.count()

    def flaky() -> str:
        if next(numbers) < 2:
            raise ConnectionRefusedError("not yet")
        return "up"

    assert await until(flaky, within=1, retry_on=(ConnectionError,)) == "up"


async def test_until_shows_the_last_exception():
    def refused() -> bool:
        raise ConnectionRefusedError("port 7")

    with pytest.raises(errors.WaitTimedOut) as caught:
        await until(refused, within=0.02, retry_on=(OSError,))
    assert "last exception: ConnectionRefusedError: port 7" in str(caught.value)


@pytest.mark.parametrize("retry_on", [(), (Exception,)])
async def test_until_bounds_a_probe_that_hangs(retry_on):
    async def hangs() -> None:
        await asyncio.Event().wait()

    with pytest.raises(errors.WaitTimedOut, match="had not returned when the time was up"):
        await until(hangs, within=0.01, retry_on=retry_on)


async def test_until_passes_on_a_time_out_of_the_probe_itself():
    async def inner() -> None:
        async with asyncio.timeout(0):
            await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        await until(inner, within=5)


@pytest.fixture
def only_news(monkeypatch):
    """Who does not wake up on news would wait for a minute."""
    monkeypatch.setattr(sys.modules[until.__module__], "RECHECK_SECONDS", 60)


async def test_until_wakes_up_on_news_from_a_function(only_news):
    changed = asyncio.Event()
    asyncio.get_running_loop().call_later(0.02, changed.set)
    async with asyncio.timeout(30):
        assert await until(changed.is_set, within=90, wake=changed.wait)


async def test_until_wakes_up_on_news_from_an_iterator(only_news):
    rows: list[str] = []

    async def notifications() -> AsyncIterator[None]:
        for status in ("PENDING", "RUNNING"):
            await asyncio.to_thread(rows.append, status)
            yield

    async with asyncio.timeout(30):
        seen = await until(
            lambda: rows[-1:], within=90, satisfied=["RUNNING"].__eq__, wake=notifications()
        )
    assert seen == ["RUNNING"]


async def test_until_samples_only_on_news():
    probed: list[float] = []
    with pytest.raises(errors.WaitTimedOut):
        await until(lambda: probed.append(0), within=0.1, wake=asyncio.Event().wait)
    assert len(probed) == 2, "one at the beginning, one at the deadline"


async def test_until_polls_when_the_news_end(only_news):
    async def nothing() -> AsyncIterator[None]:
        return
        yield

    async with asyncio.timeout(30):
        assert await until(counting(3), within=90, satisfied=lambda n: n == 3, wake=nothing()) == 3


async def test_until_is_not_starved_by_a_source_that_is_always_ready():
    async def always() -> None:
        return

    with pytest.raises(errors.WaitTimedOut):
        await until(lambda: False, within=0.02, wake=always)


async def test_until_passes_on_a_failure_of_the_source():
    async def lost() -> None:
        raise ConnectionResetError("subscription lost")

    with pytest.raises(ConnectionResetError, match="subscription lost"):
        await until(lambda: False, within=5, wake=lost)


async def test_until_can_be_cancelled():
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.02):
            await until(lambda: False, within=60, wake=asyncio.Event().wait)


class Logs:
    def mark(self):
        return {"manager": 10}

    def since(self, mark):
        return {"manager": [f"line after {mark['manager']}"]}


async def test_until_shows_what_components_logged_since_it_began():
    witness.current.set(Logs())
    with pytest.raises(errors.WaitTimedOut) as caught:
        await until(lambda: False, within=0)
    assert "log of manager since the wait began:\n    line after 10" in str(caught.value)


@pytest.mark.parametrize("value", [None, 4.0])
async def test_until_is_not_satisfied_with_a_value_of_another_type(value):
    """No wait ends with what it did not wait for. A bound `__eq__` answers NotImplemented, which is true."""
    with pytest.raises(errors.WaitTimedOut):
        await until(lambda: value, within=0, satisfied=(3).__eq__)
    assert await until(lambda: 3.0, within=0, satisfied=(3).__eq__) == 3


async def never(_value: object) -> bool:
    return False


@pytest.mark.parametrize("asked", ["satisfied", "hopeless"])
@pytest.mark.parametrize("condition", [never, (3).__le__])
async def test_until_refuses_a_condition_that_gives_no_answer(asked, condition):
    """A coroutine and NotImplemented count as true. Give either as a condition, and look who complains."""
    conditions = {"satisfied": lambda _value: False, asked: condition}
    with pytest.raises(TypeError, match=f"`{asked}`"):
        await until(lambda: 2.5, within=0, **conditions)


async def test_until_refuses_a_time_that_is_none():
    """What is not a number is never over. Ask for it."""
    with pytest.raises(ValueError, match="not nan"):
        await until(lambda: False, within=float("nan"))
