"""Makes a failing plan as small as it can be while it still fails: delta debugging over its faults and its calls.

Knows nothing of clusters: `fails` runs a plan on a fresh one. docs/decisions/0037 says why in this order.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from shakeout.explore.plan import Call, Injection, Plan
from shakeout.waiting import together

MOVED_MS = 20
"""From the beginning of a call to the fault that is lined up with it."""

LINED_UP_CALLS_MAX = 6

Fails = Callable[[Plan], Awaitable[bool]]
First = Callable[[Sequence[list[int]]], Awaitable[list[int] | None]]
"""The first of several choices that is enough; None if none is."""


@dataclass
class Shrinker:
    """One shrinking. It asks `fails` at most `plans_max` times, `at_once` at the same time, and about no plan twice but at the end.

    A run happens in real time and may miss its moment. So what could not be done without one of the faults that are left is asked once more.
    """

    fails: Fails
    plans_max: int
    at_once: int = 1
    exhausted: bool = False
    """Whether the bound was met: then the plan may not be the smallest."""
    plans: int = 0
    """How often it has asked."""
    _known: dict[Plan, bool] = field(default_factory=dict)

    async def shrink(self, plan: Plan, moments: Mapping[int, int]) -> Plan:
        """A plan that fails, too, and no longer does without any single one of its steps.

        `moments` are the times at which the steps of a failing run began. A step that had to wait for another one is moved
        there first, so that it stays there when the other one is left out.
        """
        smaller = await self._first([plan.at(moments)]) or plan
        smaller = await self._fewer_injections(smaller)
        smaller = await self._fewer_calls(smaller)
        smaller = await self._first(_lined_up(smaller)) or smaller
        while found := await self._first(_fewer_lined_up(smaller)):
            smaller = found
        smaller = await self._fewer_injections(smaller)
        self._known = {plan: True for plan, fails in self._known.items() if fails}
        return await self._fewer_injections(smaller)

    async def _fewer_injections(self, plan: Plan) -> Plan:
        without = plan.only(injections=())
        if plan.injections and await self._first([without]):
            return without

        async def first(choices: Sequence[list[int]]) -> list[int] | None:
            found = await self._first([plan.only(injections=numbers) for numbers in choices])
            return [one.number for one in found.injections] if found else None

        return plan.only(injections=await fewest([one.number for one in plan.injections], first))

    async def _fewer_calls(self, plan: Plan) -> Plan:
        async def first(choices: Sequence[list[int]]) -> list[int] | None:
            found = await self._first([plan.only(calls=numbers) for numbers in choices])
            return [one.number for one in found.calls] if found else None

        return plan.only(calls=await fewest([one.number for one in plan.calls], first))

    async def _first(self, plans: Sequence[Plan]) -> Plan | None:
        """The first of several plans that fails."""
        for start in range(0, len(plans), self.at_once):
            batch = plans[start : start + self.at_once]
            await self._learn([one for one in batch if one not in self._known])
            for one in batch:
                if self._known.get(one):
                    return one
        return None

    async def _learn(self, plans: Sequence[Plan]) -> None:
        allowed = plans[: max(0, self.plans_max - self.plans)]
        self.exhausted |= len(allowed) < len(plans)
        self.plans += len(allowed)
        with together.plainly():
            async with asyncio.TaskGroup() as group:
                asked = {one: group.create_task(_answer(self.fails(one))) for one in allowed}
        self._known |= {one: task.result() for one, task in asked.items()}


async def fewest(items: Sequence[int], first: First) -> list[int]:
    """The items none of which can be left out: halves are left out first, then quarters, then single ones."""
    left = list(items)
    size = max(1, len(left) // 2)
    while len(left) > 1:
        choices = [[*left[:start], *left[start + size :]] for start in range(0, len(left), size)]
        smaller = await first([each for each in choices if each])
        if smaller is not None:
            left = smaller
            size = min(size, max(1, len(left) // 2))
        elif size == 1:
            break
        else:
            size = max(1, size // 2)
    return left


def _lined_up(plan: Plan) -> list[Plan]:
    """The plan with one of its faults soon after the beginning of one call, and the other calls in the middle of that fault.

    What leads to a failure by a hair's breadth in the plan as drawn does so with room to spare here.
    """
    return [
        plan.at(_moments(plan, injection, call))
        for injection in plan.injections
        for call in plan.calls
    ]


def _moments(plan: Plan, injection: Injection, first: Call) -> dict[int, int]:
    began = first.at_ms + MOVED_MS
    middle = {one.number: began + injection.hold_ms // 2 for one in plan.calls if one is not first}
    return {injection.number: began, **middle}


def _fewer_lined_up(plan: Plan) -> list[Plan]:
    """The same without one call; of a plan that is still long nothing: there are too many ways."""
    if len(plan.calls) > LINED_UP_CALLS_MAX:
        return []
    numbers = {one.number for one in plan.calls}
    return [
        each for one in sorted(numbers) for each in _lined_up(plan.only(calls=numbers - {one}))
    ]


async def _answer(asked: Awaitable[bool]) -> bool:
    return await asked
