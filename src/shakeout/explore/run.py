"""Runs scenarios on fresh clusters: one seed or many; what fails is repeated, and shrunk to what it takes to fail.

    report = await run.run(SCENARIO, boot, seed=7)
    assert report.conclusion is Conclusion.VALID, report

`boot` gives a fresh cluster of a topology as an async context manager, such as the fixture `fresh_clusters`.
"""

import asyncio
import enum
from collections.abc import Callable, Iterable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from shakeout.checks.consistency.verdict import Validity
from shakeout.explore import execution
from shakeout.explore import plan as plans
from shakeout.explore.execution import Run
from shakeout.explore.plan import Plan
from shakeout.explore.scenario import Scenario
from shakeout.explore.shrink import Shrinker
from shakeout.system.cluster import Cluster
from shakeout.system.model import Topology

Boot = Callable[[Topology], AbstractAsyncContextManager[Cluster]]
Tell = Callable[[str], object]


@dataclass(frozen=True)
class Effort:
    """How much is done about a plan that fails."""

    repeats_max: int = 3
    """A failure that none of so many repetitions shows is called flaky."""
    plans_max: int = 60
    """So many smaller plans are tried at most."""
    agreeing: int = 2
    """A smaller plan counts as failing if so many runs in a row fail: one that fails by luck is no help."""
    at_once: int = 1
    """So many clusters run at the same time while a plan is shrunk."""


class Conclusion(enum.StrEnum):
    """What is known about a plan."""

    VALID = "valid"
    INVALID = "invalid"
    """It fails, and does so again."""
    UNKNOWN = "unknown"
    FLAKY = "flaky"
    """It failed once, and not again."""


@dataclass(frozen=True)
class Report:
    """What came of a plan, and the smallest one that fails the same way."""

    conclusion: Conclusion
    first: Run
    smallest: Run | None
    runs: int
    """How often clusters were booted for it."""
    rerun: str
    """The command that does it again."""
    complete: bool = True
    """False when shrinking met its bound."""

    def __str__(self) -> str:
        lines = [self._headline(), str(self.first)]
        if self.smallest is not None:
            kind = "smallest" if self.complete else "smaller, but shrinking met its bound"
            lines += ["", f"{kind} plan that fails:", str(self.smallest)]
            lines += ["as JSON:", plans.dumps(self.smallest.plan)]
        return "\n".join([*lines, "", f"again: {self.rerun}"])

    def _headline(self) -> str:
        told = f"{self.conclusion.value} after {self.runs} run{'s' * (self.runs != 1)}"
        missing = len(self.first.not_done)
        planned = len(self.first.plan.injections)
        return f"{told}; {missing} of {planned} faults could not be injected" if missing else told


def silence(_text: str) -> None:
    """Tell nobody."""


async def run(
    scenario: Scenario,
    boot: Boot,
    seed: int,
    *,
    tell: Tell = silence,
    effort: Effort = Effort(),
) -> Report:
    """Carry out the plan of a seed. One that fails is repeated and shrunk, each time on a fresh cluster.

    `tell` gets the plan before it is carried out, and what is found. Raises what booting raises.
    """
    return await replay(scenario, boot, scenario.plan(seed), tell=tell, effort=effort)


async def replay(
    scenario: Scenario,
    boot: Boot,
    plan: Plan,
    *,
    tell: Tell = silence,
    effort: Effort = Effort(),
) -> Report:
    """The same with a plan that is given, such as the smallest one of an earlier report."""
    report = await _Examination(scenario, boot, tell, effort).examine(plan)
    tell(str(report))
    return report


async def search(
    scenario: Scenario,
    boot: Boot,
    seeds: Iterable[int],
    *,
    tell: Tell = silence,
    effort: Effort = Effort(),
) -> Report | None:
    """The report of the first seed that is not valid; None when all are."""
    for seed in seeds:
        report = await run(scenario, boot, seed, tell=tell, effort=effort)
        if report.conclusion is not Conclusion.VALID:
            return report
    return None


class _Examination:
    def __init__(self, scenario: Scenario, boot: Boot, tell: Tell, effort: Effort) -> None:
        self._scenario = scenario
        self._boot = boot
        self._tell = tell
        self._effort = effort
        self._runs = 0
        self._room = asyncio.Semaphore(effort.at_once)
        self._failed: dict[Plan, Run] = {}

    async def examine(self, plan: Plan) -> Report:
        effort = self._effort
        self._tell(str(plan))
        first = await self._once(plan)
        if first.verdict.validity is not Validity.INVALID:
            return self._report(Conclusion(first.verdict.validity.value), first)
        checks = first.verdict.failing()
        if not await self._fails_again(plan, checks):
            return self._report(Conclusion.FLAKY, first)
        shrinker = Shrinker(
            lambda smaller: self._always_fails(smaller, checks),
            effort.plans_max,
            effort.at_once,
        )
        smallest = await shrinker.shrink(plan, self._failed[plan].moments)
        return self._report(
            Conclusion.INVALID, first, self._failed[smallest], complete=not shrinker.exhausted
        )

    async def _fails_again(self, plan: Plan, checks: frozenset[str]) -> bool:
        for _ in range(self._effort.repeats_max):
            if await self._fails(plan, checks):
                return True
        return False

    async def _always_fails(self, plan: Plan, checks: frozenset[str]) -> bool:
        for _ in range(self._effort.agreeing):
            if not await self._fails(plan, checks):
                return False
        return True

    async def _fails(self, plan: Plan, checks: frozenset[str]) -> bool:
        """Whether a run fails a check that failed at first."""
        done = await self._once(plan)
        failed = bool(done.verdict.failing() & checks)
        if failed:
            self._failed[plan] = done
        return failed

    async def _once(self, plan: Plan) -> Run:
        self._runs += 1
        async with self._room, self._boot(self._scenario.topology) as cluster:
            return await execution.carry_out(self._scenario, cluster, plan)

    def _report(
        self,
        conclusion: Conclusion,
        first: Run,
        smallest: Run | None = None,
        *,
        complete: bool = True,
    ) -> Report:
        rerun = self._scenario.rerun(first.plan.seed)
        return Report(conclusion, first, smallest, self._runs, rerun, complete)
