"""Carrying out plans on clusters that are none: who is asked what, what is recorded, and what is concluded."""

import contextlib

import pytest

from shakeout.checks.consistency import verdict
from shakeout.checks.consistency.linearizability import Linearizable
from shakeout.checks.consistency.models import Register
from shakeout.explore import run
from shakeout.explore.run import Conclusion, Effort
from shakeout.explore.scenario import Action, Disturbance, Scenario
from shakeout.faults.errors import FaultStuck
from shakeout.history.operation import Outcome
from shakeout.history.recorder import Outcomes
from shakeout.waiting.until import until


class Down(Exception):
    """The thing does not answer."""


class Sea:
    """A cluster without members."""

    def __init__(self):
        self.shared = False
        self.members = {}
        self.storms = []
        self.system = self
        self.name = "sea"

    def deaths(self):
        return []


class Storm:
    """A fault that the register below notices."""

    name = "storm"
    targets = ("bay",)

    def available(self, _cluster):
        return ""

    async def inject(self, cluster):
        cluster.storms.append("now")

    async def missing_effect(self, _cluster):
        return ""

    async def recover(self, cluster):
        cluster.storms.append("over")

    async def missing_recovery(self, _cluster):
        return ""


OUTCOMES: Outcomes = {Down: Outcome.UNKNOWN}


class World:
    """A register that forgets a write when there has been a storm, if it is a bad one."""

    outcomes = OUTCOMES

    def __init__(self, cluster, good):
        self.cluster = cluster
        self.good = good
        self.value = None

    async def perform(self, call):
        if call.action == "write":
            if not (self.cluster.storms and not self.good):
                (self.value,) = call.arguments
            return None
        if call.action == "fall":
            raise Down
        return self.value

    async def finish(self, recorder):
        with recorder.operation("read", "x", process="last look") as look:
            look.result = self.value


def draw(rng):
    return (rng.randrange(1000),)


def scenario(good=True, **changes):
    @contextlib.asynccontextmanager
    async def opened(cluster):
        yield World(cluster, good() if callable(good) else good)

    plain = {
        "open": opened,
        "actions": (Action("write", keys=("x",), arguments=draw), Action("read", keys=("x",))),
        "disturbances": (Disturbance(Storm(), hold_ms=(0, 1)),),
        "checks": {"register": Linearizable(Register(), frozenset({"read", "write"}))},
        "clients": 2,
        "calls": 12,
        "span_ms": 30,
        "injections": (2, 3),
    }
    return Scenario("weather", **{**plain, **changes})


@contextlib.asynccontextmanager
async def boot(_topology):
    yield Sea()


async def test_a_plan_is_told_before_it_is_carried_out_and_valid_if_the_checks_say_so():
    told: list[str] = []
    report = await run.run(scenario(), boot, 3, tell=told.append)
    assert (report.conclusion, report.runs) == (Conclusion.VALID, 1)
    assert told[0] == str(report.first.plan)
    assert report.first.history.about == {"scenario": "weather", "seed": 3}
    assert len(report.first.history) == 13
    assert set(report.first.outcomes) == {step.number for step in report.first.plan.steps}
    assert told[-1].endswith("again: shakeout run weather --seed 3")


async def test_a_fault_that_could_not_be_injected_is_told():
    calm, storm = (Disturbance(one, hold_ms=(0, 1)) for one in (Calm(), Storm()))
    report = await run.run(scenario(disturbances=(calm, storm)), boot, 3)
    planned = [one.fault for one in report.first.plan.injections]
    assert len(report.first.not_done) == planned.count("calm bay") == 1
    assert f"valid after 1 run; 1 of {len(planned)} faults could not be" in str(report)
    assert report.conclusion is Conclusion.VALID


async def test_a_failure_is_shrunk_to_one_fault_and_one_write():
    report = await run.run(scenario(good=False), boot, 3)
    assert report.conclusion is Conclusion.INVALID
    assert report.smallest is not None
    smallest = report.smallest.plan
    assert [one.fault for one in smallest.injections] == ["storm bay"]
    assert "write" in [call.action for call in smallest.calls]
    assert len(smallest.calls) <= 2
    assert "smallest plan that fails" in str(report)


async def test_a_smaller_plan_fails_again_when_it_is_replayed():
    report = await run.run(scenario(good=False), boot, 3)
    assert report.smallest is not None
    again = await run.replay(scenario(good=False), boot, report.smallest.plan)
    assert again.conclusion is Conclusion.INVALID
    fixed = await run.replay(scenario(), boot, report.smallest.plan)
    assert fixed.conclusion is Conclusion.VALID


async def test_a_failure_that_does_not_come_again_is_flaky():
    clusters = iter([False, True, True, True])
    report = await run.run(scenario(good=lambda: next(clusters)), boot, 3)
    assert (report.conclusion, report.runs) == (Conclusion.FLAKY, 4)
    assert report.first.verdict.invalid


async def test_the_failing_step_is_marked():
    report = await run.run(scenario(good=False), boot, 3, effort=Effort(plans_max=0))
    marked = [line for line in str(report.first).splitlines() if "FAILED HERE" in line]
    assert len(marked) == 1
    assert not report.complete


async def test_expected_errors_are_outcomes_and_others_end_the_run():
    falling = scenario(actions=(Action("fall"),), checks={})
    report = await run.run(falling, boot, 1)
    assert {one.outcome for one in report.first.history if one.action == "fall"} == {
        Outcome.UNKNOWN
    }
    odd = scenario(actions=(Action("write", keys=("x",)),))
    with pytest.raises(ValueError, match="not enough values to unpack"):
        await run.run(odd, boot, 1)


async def test_a_search_ends_with_the_first_seed_that_fails():
    assert await run.search(scenario(), boot, range(3)) is None
    found = await run.search(scenario(good=False), boot, range(3))
    assert found is not None
    assert found.first.plan.seed == 0


async def test_a_plugged_in_invariant_judges_the_history():
    def even(history):
        yield from (f"{one} is odd" for one in history.only("read") if (one.result or 0) % 2)

    odd = scenario(
        actions=(Action("write", keys=("x",), arguments=lambda _rng: (3,)), Action("read")),
        checks={"even": verdict.invariant(even)},
    )
    report = await run.run(odd, boot, 1, effort=Effort(plans_max=0))
    assert report.first.verdict.failing() == {"even"}
    assert "-> 3 is odd" in str(report)


async def test_a_system_that_does_not_come_to_rest_is_invalid():
    class Restless(World):
        async def finish(self, _recorder):
            await until(lambda: False, within=0.01, describe="rest")

    @contextlib.asynccontextmanager
    async def opened(cluster):
        yield Restless(cluster, good=True)

    report = await run.run(scenario(open=opened), boot, 1, effort=Effort(plans_max=0))
    assert report.first.verdict.failing() == {"last look"}
    assert "rest" in str(report.first.verdict)


class Calm(Storm):
    """A fault that cannot be injected."""

    name = "calm"

    def available(self, _cluster):
        return "no wind"


async def test_a_run_that_broke_nothing_proves_nothing():
    """What meant to break something and did not is no proof. Let no fault of a plan be possible."""
    report = await run.run(scenario(disturbances=(Disturbance(Calm()),)), boot, 1)
    assert report.conclusion is Conclusion.UNKNOWN
    assert "not done: calm bay cannot be injected: no wind" in str(report)
    assert "nothing was broken: calm bay cannot be injected: no wind" in str(report.first.verdict)


async def test_a_run_that_broke_nothing_and_fails_is_invalid():
    """Nor does it excuse anything. Let the register be wrong by itself."""

    def odd(history):
        yield from (f"{one} is odd" for one in history.only("read"))

    broken = scenario(disturbances=(Disturbance(Calm()),), checks={"odd": verdict.invariant(odd)})
    report = await run.run(broken, boot, 1, effort=Effort(plans_max=0))
    assert report.conclusion is Conclusion.INVALID


async def test_a_plan_without_faults_is_valid():
    """Who means to break nothing proves what works undisturbed."""
    report = await run.run(scenario(disturbances=()), boot, 1)
    assert report.conclusion is Conclusion.VALID


class Stuck(Storm):
    """A fault of which one act does not come to an end."""

    def __init__(self, act):
        self.act = act

    async def inject(self, _cluster):
        if self.act == "injecting":
            raise FaultStuck(self.act, 10)

    async def recover(self, _cluster):
        if self.act == "undoing":
            raise FaultStuck(self.act, 10)


@pytest.mark.parametrize(
    ("act", "conclusion"),
    [("injecting", Conclusion.UNKNOWN), ("undoing", Conclusion.INVALID)],
)
async def test_a_fault_that_does_not_come_to_an_end_is_not_valid(act, conclusion):
    """A member that never comes back is no milder plan. Let the time of one act be up."""
    stuck = scenario(disturbances=(Disturbance(Stuck(act)),))
    report = await run.run(stuck, boot, 1, effort=Effort(plans_max=0))
    assert report.conclusion is conclusion
    assert not report.first.not_done
    assert f"{act} has not ended within 10 s" in str(report.first.verdict)


async def test_a_scenario_can_be_carried_out_once_on_a_given_cluster():
    cluster = Sea()
    done = await scenario(good=False).run(cluster, 3)
    assert done.verdict.failing() == {"register"}
    assert cluster.storms[:2] == ["now", "over"]
    assert done.plan == scenario().plan(3)
