"""Holds the books against the agents: kernels that died or vanished end their session, kernels without a session are destroyed."""

import asyncio
import logging
from collections.abc import Sequence

from quarterdeck.base import tasks
from quarterdeck.base.tasks import Wake
from quarterdeck.manager.sessions import errors, model, ports
from quarterdeck.manager.sessions.staying import Staying

AGENTS_AT_ONCE_MAX = 16
INVENTORY_SECONDS_MAX = 5.0
DESTROY_SECONDS_MAX = 10.0

_log = logging.getLogger(__name__)


class Reconciler:
    """Looks at agents: all of them at the pace of `sweep`, single ones when `look_at` names them."""

    def __init__(
        self,
        ledger: ports.Ledger,
        books: ports.Books,
        kernels: ports.Kernels,
        *,
        driver: ports.Driver,
        news: ports.News,
    ) -> None:
        self._ledger = ledger
        self._books = books
        self._kernels = kernels
        self._driver = driver
        self._news = news
        self._staying = Staying("orphan-stays")
        self._outages: dict[str, tasks.Outage] = {}
        self._suspects: dict[str, None] = {}
        self.wake = Wake()
        self.lost_wake = Wake()

    def agents_changed(self, ids: Sequence[str]) -> None:
        """Look at these agents soon."""
        self._suspects.update(dict.fromkeys(ids))
        self.wake.set()
        self.lost_wake.set()

    async def kernel_changed(self, kernel: str) -> None:
        """Look at the agent of a kernel soon, if that kernel should be running."""
        agent = await self._ledger.agent_of_running(kernel)
        if agent is not None:
            self._suspects[agent] = None
            self.wake.set()

    async def check_suspects(self) -> None:
        """Look at the agents that were named since the last time."""
        suspects, self._suspects = self._suspects, {}
        places = [await self._ledger.place(agent) for agent in suspects]
        await self._check([place for place in places if place is not None])

    async def sweep(self) -> None:
        """Look at all agents. Only this sees all kernels of a session, and so whether it is idle.

        The slowest agent may have taken seconds, in which code began to run: agents of what seems idle are looked at again.
        """
        places = await self._ledger.alive()
        by_agent = await self._check(places)
        idle = model.idle_out(one for found in by_agent for one in found)
        if not idle:
            return
        mains = {ending.kernel for ending in idle}
        sessions = {one.session for found in by_agent for one in found if one.kernel in mains}
        again = [
            place
            for place, found in zip(places, by_agent, strict=True)
            if any(one.session in sessions for one in found)
        ]
        still = await self._check(again)
        for ending in model.idle_out(one for found in still for one in found):
            await self._end(ending)

    async def settle_lost(self) -> None:
        """End what ran on LOST agents."""
        while settled := await self._ledger.settle_lost():
            _log.warning("lost-agents-settled", extra={"sessions": list(settled)})
            for session in settled:
                self._news.freed(session)

    async def _check(self, places: Sequence[model.Place]) -> Sequence[Sequence[model.Running]]:
        """Compare agents; return the kernels that are idle, of each agent. What goes wrong at one keeps none of the others from being looked at."""
        limit = asyncio.Semaphore(AGENTS_AT_ONCE_MAX)
        outcomes = await tasks.settled(self._check_one(place, limit) for place in places)
        return [self._idle(place, one) for place, one in zip(places, outcomes, strict=True)]

    def _idle(
        self, place: model.Place, outcome: Sequence[model.Running] | Exception
    ) -> Sequence[model.Running]:
        """Return the kernels of an agent that are idle: of one that could not be compared, none. The next sweep tries again."""
        outage = self._outages.setdefault(
            place.agent, tasks.Outage("agent-comparison", agent=place.agent)
        )
        if isinstance(outcome, Exception):
            outage.note(outcome)
            return ()
        outage.over()
        return outcome

    async def _check_one(
        self, place: model.Place, limit: asyncio.Semaphore
    ) -> Sequence[model.Running]:
        """Compare one agent; return the kernels that are idle. The books are read before the inventory and strangers looked up after it: both only grow older."""
        async with limit:
            running = await self._ledger.running_on(place.agent)
            try:
                async with asyncio.timeout(INVENTORY_SECONDS_MAX):
                    inventory = await self._kernels.inventory(place.address)
            except (TimeoutError, errors.AgentFailure) as error:
                _log.warning(
                    "no-inventory",
                    extra={"agent": place.agent, "error": repr(error.__cause__ or error)},
                )
                return ()
            findings = model.compare(running, inventory)
            for ending in findings.ended:
                await self._end(ending)
            await self._destroy_orphans(place, findings.strangers)
            return findings.idle

    async def _end(self, ending: model.Ending) -> None:
        ended = await self._books.ending(
            ending.kernel, ending.end, model.RECONCILER, generation=ending.generation
        )
        if not ended:
            return
        _log.warning(
            "kernel-ended",
            extra={
                "session": ended[0].session,
                "kernel": ending.kernel,
                "reason": ending.end.reason.value,
                "detail": ending.end.detail,
            },
        )
        for due in ended:
            self._driver.drive(due.agent, due.session, due.kernel)

    async def _destroy_orphans(self, place: model.Place, strangers: Sequence[str]) -> None:
        if not strangers:
            return
        for kernel in await self._ledger.orphans(strangers):
            try:
                async with asyncio.timeout(DESTROY_SECONDS_MAX):
                    await self._kernels.destroy(place.address, kernel)
            except (TimeoutError, errors.AgentFailure) as error:
                self._staying.note(kernel, place.agent, error)
            else:
                self._staying.gone(kernel)
                _log.warning("orphan-destroyed", extra={"agent": place.agent, "kernel": kernel})
