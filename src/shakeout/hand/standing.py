"""Faults that stand: injected by hand, until somebody undoes them or their time is over.

Each lives in a task of its own, because the life cycle of a fault is one block of code.
"""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field

from shakeout.faults import lifecycle
from shakeout.faults.fault import Fault
from shakeout.hand.errors import Misused
from shakeout.system.cluster import Cluster

STANDING_MAX = 32


@dataclass
class Standing:
    """One fault that stands, or is about to; `seconds` is how long, None until it is undone. See `told`."""

    number: int
    fault: Fault
    seconds: float | None
    undo: asyncio.Event = field(default_factory=asyncio.Event)
    begun: "asyncio.Future[None]" = field(default_factory=asyncio.Future)
    ended: "asyncio.Future[None]" = field(default_factory=asyncio.Future)

    @property
    def words(self) -> str:
        """`kill manager`."""
        return lifecycle.text(self.fault)


class StandingFaults:
    """All of one cluster. An async context manager: leaving it undoes them."""

    def __init__(self, cluster: Cluster, changed: Callable[[], object]) -> None:
        """`changed` is called when members may have changed."""
        self._cluster = cluster
        self._changed = changed
        self._group = asyncio.TaskGroup()
        self._standing: dict[int, Standing] = {}
        self._numbers = 0

    async def __aenter__(self) -> "StandingFaults":
        await self._group.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        for one in self.all:
            one.undo.set()
        await self._group.__aexit__(None, None, None)

    @property
    def all(self) -> list[Standing]:
        """Those that stand now, the oldest first."""
        return list(self._standing.values())

    def begin(self, fault: Fault, seconds: float | None) -> Standing:
        """Begin to inject a fault; `told` of its `begun` and `ended` raises what goes wrong. Raises Misused."""
        if len(self._standing) >= STANDING_MAX:
            raise Misused(f"{STANDING_MAX} faults stand already: undo some")
        self._numbers += 1
        standing = Standing(self._numbers, fault, seconds)
        self._standing[standing.number] = standing
        self._group.create_task(self._stand(standing))
        return standing

    def chosen(self, number: int | None) -> list[Standing]:
        """The one of that number, or all. Raises Misused when it does not stand."""
        if number is None:
            return self.all
        if number not in self._standing:
            raise Misused(f"no fault stands under number {number}; see `shakeout fault`")
        return [self._standing[number]]

    async def _stand(self, standing: Standing) -> None:
        try:
            async with lifecycle.injected(standing.fault, self._cluster):
                self._changed()
                standing.begun.set_result(None)
                await _over(standing)
        except Exception as error:  # noqa: BLE001 - told to whoever asked for the fault
            _fail(standing, error)
        else:
            standing.ended.set_result(None)
        finally:
            del self._standing[standing.number]
            self._changed()


async def told(future: "asyncio.Future[None]") -> None:
    """Wait for a future that others wait for, too: who is cancelled meanwhile does not cancel it. Raises what it holds."""
    await asyncio.wait({future})
    future.result()


async def _over(standing: Standing) -> None:
    """Return when it is to be undone."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(standing.seconds):
            await standing.undo.wait()


def _fail(standing: Standing, error: Exception) -> None:
    """Tell it to whoever waits; nobody waits for what is retrieved here already."""
    for future in (standing.begun, standing.ended):
        if not future.done():
            future.set_exception(error)
            future.exception()
