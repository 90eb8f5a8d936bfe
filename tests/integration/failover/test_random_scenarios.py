"""Random work while random members are killed, paused and restarted: the files and sessions of users stay what they were told."""

import pytest

from quarterdeck.testing.scenarios import SCENARIO
from shakeout.explore import run
from shakeout.explore.run import Conclusion

SEEDS = range(1, 5)


@pytest.mark.links
@pytest.mark.parametrize("seed", SEEDS)
async def test_work_survives_random_faults(fresh_clusters, seed):
    """Whatever fails, files are linearizable, no session is lost. Clients work on a fresh platform through the faults of a seed.

    Judged from what the clients were told, and by the database, /proc and the disk. A failure is shrunk.
    """
    report = await run.run(SCENARIO, fresh_clusters, seed, tell=print)
    assert report.conclusion is Conclusion.VALID, str(report)
