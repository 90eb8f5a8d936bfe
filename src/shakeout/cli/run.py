"""`shakeout run`: carry out a random scenario on fresh clusters; what fails is repeated, and shrunk."""

import argparse
import asyncio
import contextlib
import dataclasses
import itertools
import json
import random
from collections.abc import AsyncIterator
from pathlib import Path

from shakeout.cli import target, text
from shakeout.cli.errors import TargetNotFound
from shakeout.explore import plan as plans
from shakeout.explore import run as runs
from shakeout.explore.plan import Plan
from shakeout.explore.run import Conclusion, Effort, Report, Tell
from shakeout.explore.scenario import Scenario
from shakeout.process.supervisor import Supervisor
from shakeout.system import boot
from shakeout.system.cluster import Cluster
from shakeout.system.model import System, Topology

SEED_BITS = 32


def run(options: argparse.Namespace) -> int:
    """Returns 1 unless the scenario is valid. Raises TargetNotFound, and what a boot raises."""
    scenario = target.find(options.scenario, Scenario)
    origin = options.system or f"{options.scenario.partition(':')[0]}:system"
    system = target.load(origin)
    reference = f"{options.scenario} --system {origin}{' --links' * options.links}"
    report = asyncio.run(
        _carried_out(dataclasses.replace(scenario, reference=reference), system, options)
    )
    if options.json:
        text.say(json.dumps(record(report)))
    return 0 if report.conclusion is Conclusion.VALID else 1


def record(report: Report) -> dict[str, object]:
    """What a program wants to know of a report. Pure."""
    plan = report.smallest.plan if report.smallest else report.first.plan
    return {
        "conclusion": report.conclusion.value,
        "seed": report.first.plan.seed,
        "runs": report.runs,
        "plan": json.loads(plans.dumps(plan)),
        "not_done": report.first.not_done,
        "again": report.rerun,
    }


async def _carried_out(scenario: Scenario, system: System, options: argparse.Namespace) -> Report:
    tell: Tell = runs.silence if options.json else text.say
    effort = Effort(plans_max=0) if options.no_shrink else Effort()
    async with await Supervisor.open() as supervisor:
        numbers = itertools.count(1)

        @contextlib.asynccontextmanager
        async def fresh(topology: Topology) -> AsyncIterator[Cluster]:
            name = f"r{next(numbers)}"
            async with await boot.boot(
                system, supervisor, name=name, topology=topology, links=options.links
            ) as cluster:
                yield cluster

        if options.plan:
            plan = _read(options.plan)
            return await runs.replay(scenario, fresh, plan, tell=tell, effort=effort)
        report = await runs.run(scenario, fresh, seed := _seed(options), tell=tell, effort=effort)
        for other in range(seed + 1, seed + options.tries):
            if report.conclusion is not Conclusion.VALID:
                break
            report = await runs.run(scenario, fresh, other, tell=tell, effort=effort)
    return report


def _seed(options: argparse.Namespace) -> int:
    given: int | None = options.seed
    return random.SystemRandom().getrandbits(SEED_BITS) if given is None else given


def _read(path: str) -> Plan:
    try:
        return plans.loads(Path(path).read_text())
    except (OSError, ValueError, KeyError, TypeError) as wrong:
        raise TargetNotFound(f"no plan in {path}: {wrong}") from None
