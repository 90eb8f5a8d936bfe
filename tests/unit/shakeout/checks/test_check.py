"""The leak check tells only what it has seen to the end, however slow its probes are."""

import asyncio
import types
from typing import Any

import pytest

from shakeout.checks import check, errors
from shakeout.checks.check import LeakCheck


class Slow:
    """A probe that takes longer than the check waits for things to go away."""

    name = "slow things"

    def __init__(self, after: dict[str, str], *, seconds: float = 0.25) -> None:
        self._seconds = seconds
        self.seen: dict[str, str] = {}
        self._after = after

    async def snapshot(self) -> dict[str, str]:
        told, self.seen = self.seen, self._after
        await asyncio.wait([asyncio.get_running_loop().create_future()], timeout=self._seconds)
        return told


def check_with(probe: Slow) -> LeakCheck:
    system = types.SimpleNamespace(services=(), leaks=(lambda _cluster: probe,))
    cluster: Any = types.SimpleNamespace(system=system, members={})
    return LeakCheck(cluster)


async def test_slow_look_that_finds_nothing_is_no_leak():
    looking = check_with(Slow({}))
    await looking.begin()
    await looking.verify(within=0)


async def test_leak_is_told_by_name_also_when_looking_is_slow():
    looking = check_with(Slow({"left": "behind"}))
    await looking.begin()
    with pytest.raises(errors.Leaked, match=r"(?s)the test left 1 thing behind.*left +behind"):
        await looking.verify(within=0)


async def test_probe_that_does_not_answer_is_no_leak(monkeypatch):
    monkeypatch.setattr(check, "SNAPSHOT_SECONDS_MAX", 0.05)
    with pytest.raises(
        errors.CouldNotLook, match="could not look: slow things had not answered after"
    ):
        await check_with(Slow({}, seconds=60)).verify(within=0)


async def test_probe_that_times_out_by_itself_says_so_itself():
    class Impatient(Slow):
        async def snapshot(self) -> dict[str, str]:
            raise TimeoutError("its own")

    with pytest.raises(TimeoutError, match="its own"):
        await check_with(Impatient({})).begin()
