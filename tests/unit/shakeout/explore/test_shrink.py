"""Shrinking: what is left cannot be left out, the number of questions is bounded, and none is asked twice."""

import pytest

from shakeout.explore.plan import Call, Injection, Plan
from shakeout.explore.shrink import MOVED_MS, Shrinker

CALLS = tuple(Call(number, 10 * number, 1, "add", "x") for number in range(1, 21))
INJECTIONS = tuple(Injection(number, number, 400, f"fault {number}") for number in range(21, 25))
PLAN = Plan("work", 1, CALLS, INJECTIONS)


class Oracle:
    """Fails exactly when the plan has all of the needed steps, and `also` says so."""

    def __init__(self, needed, also=lambda _plan: True):
        self.needed = set(needed)
        self.also = also
        self.asked = []

    async def __call__(self, plan):
        self.asked.append(plan)
        numbers = {step.number for step in plan.steps}
        return self.needed <= numbers and self.also(plan)


def numbers(plan):
    return {step.number for step in plan.steps}


@pytest.mark.parametrize(
    "needed",
    [{1}, {20}, {3, 22}, {1, 20, 21, 24}, {7, 8, 9}, {2, 5, 11, 17, 21, 22, 23, 24}],
    ids=str,
)
async def test_only_the_needed_steps_are_left(needed):
    oracle = Oracle(needed)
    smallest = await Shrinker(oracle, 1000).shrink(PLAN, {})
    assert numbers(smallest) == needed
    again = [one for one in set(oracle.asked) if oracle.asked.count(one) > 1]
    assert all(one.calls == smallest.calls for one in again)
    assert all(set(one.injections) < set(smallest.injections) for one in again)


async def test_what_a_run_raises_comes_out_as_it_is():
    async def broken(_plan):
        raise OSError("no cluster")

    with pytest.raises(OSError, match="no cluster"):
        await Shrinker(broken, 1000, at_once=2).shrink(PLAN, {})


async def test_a_fault_that_is_not_needed_is_no_part_of_it():
    smallest = await Shrinker(Oracle({4, 5}), 1000).shrink(PLAN, {})
    assert smallest.injections == ()


async def test_fault_that_seemed_to_be_needed_once_is_left_out_after_all():
    """A run without fault 23 misses its moment at first."""
    oracle = Oracle({4, 22})

    async def misses_once(plan):
        fails = await oracle(plan)
        return fails and (23 in numbers(plan) or oracle.asked.count(plan) > 1)

    plan = PLAN.only(calls={4}, injections={22, 23})
    assert numbers(await Shrinker(misses_once, 1000).shrink(plan, {})) == {4, 22}


async def test_no_more_plans_are_tried_than_allowed():
    oracle = Oracle({4, 22})
    shrinker = Shrinker(oracle, 7)
    smaller = await shrinker.shrink(PLAN, {})
    assert len(oracle.asked) == 7
    assert shrinker.exhausted
    assert {4, 22} <= numbers(smaller) < numbers(PLAN)


async def test_a_plan_that_fails_only_as_a_whole_stays_whole():
    whole = Oracle(numbers(PLAN))
    shrinker = Shrinker(whole, 1000)
    assert numbers(await shrinker.shrink(PLAN, {})) == numbers(PLAN)
    assert not shrinker.exhausted


async def test_a_step_that_had_to_wait_is_moved_to_where_it_began():
    """Without that it could not do without the step that it had waited for."""
    late = Oracle(
        {3, 22}, also=lambda plan: plan.injections[-1].at_ms >= 300 or 21 in numbers(plan)
    )
    smallest = await Shrinker(late, 1000).shrink(PLAN.only(injections={21, 22}), {22: 300})
    assert numbers(smallest) == {3, 22}


async def test_a_call_that_only_delayed_another_one_is_left_out_with_the_fault_moved():
    """The fault must hit within 50 ms after the beginning of call 20, or call 1 must have come before."""

    def hit(plan):
        (fault,) = plan.injections
        calls = {call.number: call.at_ms for call in plan.calls}
        return 1 in calls or fault.at_ms - calls[20] == MOVED_MS

    shrinker = Shrinker(Oracle({20, 22}, also=hit), 1000)
    smallest = await shrinker.shrink(PLAN.only(injections={22}), {})
    assert numbers(smallest) == {20, 22}


async def test_several_plans_are_tried_at_once_with_the_same_result():
    one, four = Oracle({3, 9, 22}), Oracle({3, 9, 22})
    alone = await Shrinker(one, 1000).shrink(PLAN, {})
    together = await Shrinker(four, 1000, at_once=4).shrink(PLAN, {})
    assert alone == together
