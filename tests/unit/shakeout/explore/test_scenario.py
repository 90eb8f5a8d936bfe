"""Plans: the same for the same seed, printed line by line, and the same again from JSON."""

import random

import pytest

from shakeout.explore import plan as plans
from shakeout.explore.plan import Call, Injection, Plan
from shakeout.explore.scenario import Action, Disturbance, Scenario
from shakeout.faults.process import Kill, Pause


def amount(rng):
    return (rng.randrange(100), "crates")


SCENARIO = Scenario(
    "loading",
    open=lambda _cluster: pytest.fail("a plan needs no cluster"),
    actions=(Action("load", keys=("fore", "aft"), arguments=amount, weight=3), Action("count")),
    disturbances=(Disturbance(Kill("crane")), Disturbance(Pause("boat"), hold_ms=(10, 20))),
    checks={},
    clients=3,
    calls=40,
    span_ms=500,
    injections=(1, 4),
    reference="harbour:LOADING",
)
SMALL = Plan(
    "loading",
    7,
    (Call(1, 10, 2, "load", "fore", (5, "crates")), Call(2, 30, 1, "count", "")),
    (Injection(3, 20, 100, "kill crane"),),
)


def test_a_seed_always_makes_the_same_plan():
    random.seed(0)
    assert SCENARIO.plan(7) == SCENARIO.plan(7)
    assert len({SCENARIO.plan(seed) for seed in range(50)}) == 50


@pytest.mark.parametrize("seed", range(30))
def test_a_plan_keeps_to_its_scenario(seed):
    plan = SCENARIO.plan(seed)
    numbers = sorted(step.number for step in plan.steps)
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(plan.calls) == 40
    assert {call.client for call in plan.calls} <= {1, 2, 3}
    assert {call.action for call in plan.calls} == {"load", "count"}
    assert {call.key for call in plan.calls if call.action == "load"} <= {"fore", "aft"}
    assert 1 <= len(plan.injections) <= 4
    for one in plan.injections:
        assert SCENARIO.fault(one.fault).name in one.fault
        assert 10 <= one.hold_ms <= (20 if "pause" in one.fault else 1000)
    assert all(0 <= step.at_ms < 500 for step in plan.steps)
    assert list(plan.steps) == sorted(plan.steps, key=lambda step: step.at_ms)


def test_a_plan_is_printed_in_the_order_of_its_times_with_what_became_of_it():
    assert str(SMALL).splitlines() == [
        "plan of loading, seed 7: 2 calls, 1 faults",
        "    1     10 ms  client 2: load(fore, 5, crates)",
        "    3     20 ms  kill crane for 100 ms",
        "    2     30 ms  client 1: count()",
    ]
    marked = list(SMALL.lines({3: "from 21 ms to 130 ms", 2: "5"}))
    assert marked[2:] == [
        "    3     20 ms  kill crane for 100 ms  -> from 21 ms to 130 ms",
        "    2     30 ms  client 1: count()  -> 5",
    ]


def test_steps_keep_their_numbers_when_others_are_left_out_or_moved():
    less = SMALL.only(calls={2}, injections=())
    assert [step.number for step in less.steps] == [2]
    assert SMALL.only(calls={1}).injections == SMALL.injections
    moved = SMALL.at({3: 1})
    assert [step.number for step in moved.steps] == [3, 1, 2]


def test_a_plan_comes_back_from_json():
    assert plans.loads(plans.dumps(SMALL)) == SMALL
    for text in ("{}", "[]", "nonsense", '{"calls": [{}], "injections": []}'):
        with pytest.raises(ValueError, match=r"not a plan|Expecting"):
            plans.loads(text)


def test_the_command_to_run_it_again_names_scenario_and_seed():
    assert SCENARIO.rerun(7) == "shakeout run harbour:LOADING --seed 7"
