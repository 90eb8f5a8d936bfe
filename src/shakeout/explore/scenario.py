"""Scenarios as data: topology, workload, faults, checks; and the plan that a seed makes of one.

    async def test_counter_survives(private_cluster):
        run = await SCENARIO.run(private_cluster, seed=7)
        assert run.verdict.valid, run

`run.run` searches on fresh clusters, shrinks what fails and says how to repeat it.
"""

import random
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import KW_ONLY, dataclass, field

from shakeout.checks.consistency.verdict import Checker
from shakeout.explore import execution
from shakeout.explore.execution import Run, World
from shakeout.explore.plan import Call, Injection, Plan
from shakeout.faults import lifecycle
from shakeout.faults.fault import Fault
from shakeout.history.operation import Value
from shakeout.system.cluster import Cluster
from shakeout.system.model import Topology

Draw = Callable[[random.Random], tuple[Value, ...]]


def nothing(_rng: random.Random) -> tuple[Value, ...]:
    """No arguments."""
    return ()


@dataclass(frozen=True)
class Action:
    """A kind of operation that clients do."""

    name: str
    _: KW_ONLY
    keys: tuple[str, ...] = ("",)
    arguments: Draw = nothing
    weight: int = 1


@dataclass(frozen=True)
class Disturbance:
    """A fault that may happen, and for how long it is held, in milliseconds."""

    fault: Fault
    _: KW_ONLY
    hold_ms: tuple[int, int] = (100, 1000)
    weight: int = 1

    @property
    def name(self) -> str:
        """`kill manager`."""
        return lifecycle.text(self.fault)


@dataclass(frozen=True)
class Scenario:
    """Everything about a scenario but the seed."""

    name: str
    _: KW_ONLY
    open: Callable[[Cluster], AbstractAsyncContextManager[World]]
    """What the clients work with, for the time of one run."""
    actions: tuple[Action, ...]
    disturbances: tuple[Disturbance, ...]
    checks: Mapping[str, Checker]
    topology: Topology = field(default_factory=Topology)
    clients: int = 3
    calls: int = 20
    span_ms: int = 1000
    """Calls and faults begin within this time."""
    injections: tuple[int, int] = (1, 3)
    """The least and the most faults of one plan."""
    operation_seconds_max: float = 5.0
    finish_seconds_max: float = 20.0
    reference: str = ""
    """`module:attribute`, with which `shakeout run` finds it."""

    def plan(self, seed: int) -> Plan:
        """The plan of a seed: always the same."""
        rng = random.Random(seed)
        calls = self._calls(rng)
        count = rng.randint(*self.injections) if self.disturbances else 0
        moments = sorted(rng.randrange(self.span_ms) for _ in range(count))
        injections = [
            self._injection(rng, len(calls) + number, at_ms)
            for number, at_ms in enumerate(moments, start=1)
        ]
        return Plan(self.name, seed, calls, tuple(injections))

    def fault(self, name: str) -> Fault:
        """The fault of an injection. Raises KeyError."""
        return {one.name: one.fault for one in self.disturbances}[name]

    def rerun(self, seed: int) -> str:
        """The command that runs a seed again."""
        return f"shakeout run {self.reference or self.name} --seed {seed}"

    async def run(self, cluster: Cluster, seed: int) -> Run:
        """Carry out the plan of a seed once, on a cluster that may be broken."""
        return await execution.carry_out(self, cluster, self.plan(seed))

    def _calls(self, rng: random.Random) -> tuple[Call, ...]:
        moments = sorted(rng.randrange(self.span_ms) for _ in range(self.calls))
        weights = [action.weight for action in self.actions]
        calls = []
        for number, at_ms in enumerate(moments, start=1):
            (action,) = rng.choices(self.actions, weights)
            client, key = rng.randint(1, self.clients), rng.choice(action.keys)
            arguments = action.arguments(rng)
            calls.append(Call(number, at_ms, client, action.name, key, arguments))
        return tuple(calls)

    def _injection(self, rng: random.Random, number: int, at_ms: int) -> Injection:
        weights = [one.weight for one in self.disturbances]
        (chosen,) = rng.choices(self.disturbances, weights)
        return Injection(number, at_ms, rng.randint(*chosen.hold_ms), chosen.name)
