"""Carries out a plan on a running cluster: clients beside faults, a last look, and the judgement.

`scenario.Scenario` is the script that it follows; `run` gives it fresh clusters.
"""

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol

from shakeout.checks.consistency.verdict import Checker, Validity, Verdict, merged, named
from shakeout.explore.plan import Call, Injection, Plan
from shakeout.faults import lifecycle
from shakeout.faults.errors import ClusterShared, FaultStuck, FaultUnavailable
from shakeout.faults.fault import Fault
from shakeout.history.operation import History, Outcome
from shakeout.history.recorder import Outcomes, Recorder
from shakeout.process.errors import ProcessError
from shakeout.system.cluster import Cluster
from shakeout.system.errors import SystemFault
from shakeout.timeline import record
from shakeout.waiting import together
from shakeout.waiting.errors import WaitingError

FAILING = "FAILED HERE"
NOT_DONE = "not done: "


class World(Protocol):
    """What the clients of one run work with."""

    @property
    def outcomes(self) -> Outcomes:
        """The errors to be expected of operations, and what they mean. Any other ends the run."""

    async def perform(self, call: Call) -> object:
        """Do one operation, and return what its client is told."""

    async def finish(self, recorder: Recorder) -> None:
        """After the faults: wait until the system is calm, and record a last look at everything."""


class Script(Protocol):
    """What a plan is carried out with."""

    @property
    def name(self) -> str: ...

    @property
    def open(self) -> Callable[[Cluster], AbstractAsyncContextManager[World]]: ...

    @property
    def checks(self) -> Mapping[str, Checker]: ...

    @property
    def operation_seconds_max(self) -> float: ...

    @property
    def finish_seconds_max(self) -> float: ...

    def fault(self, name: str) -> Fault: ...


@dataclass(frozen=True)
class Run:
    """A plan that was carried out."""

    plan: Plan
    history: History
    verdict: Verdict
    outcomes: Mapping[int, str]
    """What became of each step, by its number."""
    failing: frozenset[int]
    """The steps that the verdict names."""
    moments: Mapping[int, int]
    """When each step began, in milliseconds."""

    @property
    def not_done(self) -> dict[int, str]:
        """Faults that could not be injected, by number, and why: the run was milder than its plan."""
        return {
            number: told.removeprefix(NOT_DONE)
            for number, told in self.outcomes.items()
            if told.startswith(NOT_DONE)
        }

    def __str__(self) -> str:
        marks = {
            number: f"{told}   <== {FAILING}" if number in self.failing else told
            for number, told in self.outcomes.items()
        }
        return "\n".join([*self.plan.lines(marks), str(self.verdict)])


async def carry_out(script: Script, cluster: Cluster, plan: Plan) -> Run:
    """Do what the plan says, and judge what came of it. Raises an error of an operation that the world does not expect."""
    run = _Running(script, cluster, plan)
    record.note("step", "plan", text=str(plan))
    async with script.open(cluster) as world:
        await run.steps(world)
        await run.finish(world)
    return run.judged()


@dataclass
class _Running:
    script: Script
    cluster: Cluster
    plan: Plan
    recorder: Recorder = field(default_factory=Recorder)
    outcomes: dict[int, str] = field(default_factory=dict)
    numbers: dict[int, int] = field(default_factory=dict)
    """The step behind each recorded operation."""
    findings: list[Verdict] = field(default_factory=list)
    failing: set[int] = field(default_factory=set)
    moments: dict[int, int] = field(default_factory=dict)
    began: float = 0.0

    async def steps(self, world: World) -> None:
        """Let the clients and the faults go, each at its own pace, until all are done. Raises what nobody expected of them."""
        self.recorder = Recorder({**world.outcomes, TimeoutError: Outcome.UNKNOWN})
        self.began = asyncio.get_running_loop().time()
        with together.plainly():
            async with asyncio.TaskGroup() as group:
                group.create_task(self._inject_all())
                for client in sorted({call.client for call in self.plan.calls}):
                    group.create_task(self._client(world, client))

    async def _client(self, world: World, client: int) -> None:
        for call in self.plan.calls:
            if call.client == client:
                await self._until_ms(call.at_ms)
                await self._call(world, call)

    async def _call(self, world: World, call: Call) -> None:
        self.numbers[len(self.recorder)] = call.number
        number = len(self.recorder)
        self.moments[call.number] = self._now_ms()
        with contextlib.suppress(*self.recorder.outcomes):
            with self.recorder.operation(
                call.action, call.key, *call.arguments, process=f"client-{call.client}"
            ) as attempt:
                async with asyncio.timeout(self.script.operation_seconds_max):
                    attempt.result = await world.perform(call)
        done = self.recorder.history().operations[number]
        self.outcomes[call.number] = done.told

    async def _inject_all(self) -> None:
        for injection in self.plan.injections:
            await self._until_ms(injection.at_ms)
            await self._inject(injection)

    async def _inject(self, injection: Injection) -> None:
        entered = False
        self.moments[injection.number] = self._now_ms()
        try:
            async with lifecycle.injected(self.script.fault(injection.fault), self.cluster):
                entered = True
                self.outcomes[injection.number] = f"from {self._now_ms()} ms"
                await self._until_ms(self._now_ms() + injection.hold_ms)
            self.outcomes[injection.number] += f" to {self._now_ms()} ms"
        except (ClusterShared, FaultUnavailable) as refused:
            self.outcomes[injection.number] = f"{NOT_DONE}{refused}"
        except (FaultStuck, WaitingError, ProcessError, SystemFault) as error:
            validity = Validity.INVALID if entered else Validity.UNKNOWN
            self.outcomes[injection.number] = "not recovered from" if entered else "without effect"
            self.failing.add(injection.number)
            self.findings.append(Verdict(validity, "faults", f"{injection.fault}: {error}"))

    async def finish(self, world: World) -> None:
        """The last look. A system that does not let itself be looked at has not come back."""
        expected: tuple[type[BaseException], ...] = (WaitingError, *self.recorder.outcomes)
        try:
            async with asyncio.timeout(self.script.finish_seconds_max):
                await world.finish(self.recorder)
        except expected as error:
            reason = f"{type(error).__name__}: {error}" if str(error) else "no answer in time"
            self.findings.append(Verdict(Validity.INVALID, "last look", reason))

    def judged(self) -> Run:
        deaths = "\n".join(str(death) for death in self.cluster.deaths())
        if deaths:
            self.findings.append(Verdict(Validity.INVALID, "deaths", deaths))
        self.findings += self._nothing_done()
        history = self.recorder.history(scenario=self.plan.scenario, seed=self.plan.seed)
        found = [named(name, check(history)) for name, check in self.script.checks.items()]
        verdict = merged(f"scenario {self.plan.scenario}", [*self.findings, *found])
        named_ones = {self.numbers[one] for one in verdict.culprits if one in self.numbers}
        failing = frozenset(self.failing | named_ones)
        return Run(self.plan, history, verdict, self.outcomes, failing, self.moments)

    def _nothing_done(self) -> list[Verdict]:
        """A run that meant to break something and broke nothing proves nothing."""
        told = [self.outcomes.get(one.number, "") for one in self.plan.injections]
        if not told or not all(each.startswith(NOT_DONE) for each in told):
            return []
        reason = f"nothing was broken: {told[0].removeprefix(NOT_DONE)}"
        return [Verdict(Validity.UNKNOWN, "faults", reason)]

    async def _until_ms(self, at_ms: int) -> None:
        """Wait for a moment of the plan; one that has passed is now."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(self.began + at_ms / 1000):
                await asyncio.Event().wait()

    def _now_ms(self) -> int:
        return round((asyncio.get_running_loop().time() - self.began) * 1000)
