"""A lost update that shows only when a process stands still between its read and its write: found, shrunk, repeated.

A repetition happens in real time, and may miss the moment once: it gets three tries.
"""

from shakeout.explore import plan, run
from shakeout.explore.run import Conclusion

TRIES = 3
ONCE = run.Effort(plans_max=0)


async def repeats(scenario, boot, wanted):
    """The first of a few runs of a plan that fails; the last one if none does."""
    for _ in range(TRIES - 1):
        again = await run.replay(scenario, boot, wanted, effort=ONCE)
        if again.first.verdict.invalid:
            return again.first
    return (await run.replay(scenario, boot, wanted, effort=ONCE)).first


async def test_the_race_is_found_shrunk_and_repeated_by_its_seed_and_by_its_schedule(
    found, turnstile, fresh
):
    assert found is not None
    assert found.conclusion is Conclusion.INVALID, str(found)
    smallest = found.smallest.plan
    assert [one.fault.split()[0] for one in smallest.injections] == ["pause"], str(found)
    assert [one.action for one in smallest.calls] == ["add", "add"], str(found)
    assert found.smallest.verdict.failing() == {"counter"}

    boot = fresh(turnstile.racy)
    seed = found.first.plan.seed
    assert f"--seed {seed}" in str(found)
    by_seed = await repeats(turnstile.SCENARIO, boot, turnstile.SCENARIO.plan(seed))
    assert by_seed.verdict.failing() == {"counter"}, by_seed
    by_schedule = await repeats(turnstile.SCENARIO, boot, plan.loads(plan.dumps(smallest)))
    assert by_schedule.verdict.failing() == {"counter"}, by_schedule
    assert "FAILED HERE" in str(by_schedule)

    seeds = range(seed + 1)
    assert await run.search(turnstile.SCENARIO, fresh(turnstile.fenced), seeds) is None
    without_race = await repeats(turnstile.SCENARIO, fresh(turnstile.fenced), smallest)
    assert without_race.verdict.valid, without_race
