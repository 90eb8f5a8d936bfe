"""Makes a failing plan as small as it can be while it still fails: delta debugging over its faults and its calls.

Knows nothing of clusters: `fails` runs a plan on a fresh one. docs/decisions/0031 says why in this order.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from shakeout.explore.plan import Plan

Fails = Callable[[Plan], Awaitable[bool]]
Keeps = Callable[[Sequence[int]], Awaitable[bool]]


@dataclass
class Shrinker:
    """One shrinking. It asks `fails` at most `runs_max` times, and never twice about the same plan."""

    fails: Fails
    runs_max: int
    runs: int = 0
    exhausted: bool = False
    """Whether the bound was met: then the plan may not be the smallest."""
    _known: dict[Plan, bool] = field(default_factory=dict)

    async def shrink(self, plan: Plan, moments: Mapping[int, int]) -> Plan:
        """A plan that fails, too, and no longer does without any single one of its steps.

        `moments` are the times at which the steps of a failing run began. A step that had to wait for another one is moved
        there first, so that it stays there when the other one is left out.
        """
        timed = plan.at(moments)
        smaller = await self._fewer_injections(timed if await self._ask(timed) else plan)
        smaller = await self._fewer_calls(smaller)
        return await self._fewer_injections(smaller)

    async def _fewer_injections(self, plan: Plan) -> Plan:
        async def keeps(numbers: Sequence[int]) -> bool:
            return await self._ask(plan.only(injections=numbers))

        return plan.only(injections=await fewest([one.number for one in plan.injections], keeps))

    async def _fewer_calls(self, plan: Plan) -> Plan:
        async def keeps(numbers: Sequence[int]) -> bool:
            return await self._ask(plan.only(calls=numbers))

        return plan.only(calls=await fewest([one.number for one in plan.calls], keeps))

    async def _ask(self, plan: Plan) -> bool:
        if plan not in self._known:
            if self.runs >= self.runs_max:
                self.exhausted = True
                return False
            self.runs += 1
            self._known[plan] = await self.fails(plan)
        return self._known[plan]


async def fewest(items: Sequence[int], keeps: Keeps) -> list[int]:
    """The items without which it is not kept: halves are left out first, then quarters, then single ones."""
    left = list(items)
    if left and await keeps([]):
        return []
    size = max(1, len(left) // 2)
    while len(left) > 1:
        smaller = await _without_one_part(left, size, keeps)
        if smaller is not None:
            left = smaller
            size = min(size, max(1, len(left) // 2))
        elif size == 1:
            break
        else:
            size = max(1, size // 2)
    return left


async def _without_one_part(left: Sequence[int], size: int, keeps: Keeps) -> list[int] | None:
    for start in range(0, len(left), size):
        rest = [*left[:start], *left[start + size :]]
        if rest and await keeps(rest):
            return rest
    return None
