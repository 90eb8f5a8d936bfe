"""`pytest --keep`: the cluster of a failed test stays up for the commands, and ends with the run."""

import os

import pytest

from shakeout import settings
from shakeout.cli import down
from shakeout.hand import asking, state
from shakeout.waiting.until import until

FAILS = """
async def test_breaks(private_cluster):
    assert private_cluster.names == ()


async def test_afterwards(private_cluster):
    pass
"""


def kept(pid):
    """The system that the process holds, if it does already."""
    found = state.running(settings.read().home)
    return next((one for one in found if one.pid == pid), None)


async def test_cluster_of_a_failed_test_is_kept_until_somebody_ends_it(project):
    project.write(test_it=FAILS)
    with project.start("-p", "no:randomly", "--keep") as process:
        found = await until(lambda: kept(process.pid), within=20, describe="a kept cluster")
        assert found.target == "tests/test_it.py::test_breaks"
        assert [one.name for one in found.members] == ["redis", "hull", "mast"]
        asking.ask(found, {"do": "inject", "fault": "kill", "targets": ["mast"], "seconds": 0.1})
        assert not down.end(found)
        output = process.communicate()[0]
    assert "assert private_cluster.names == ()" in output
    assert f"`shakeout down {found.name}`, ends it and this run" in output
    assert "1 failed" in output
    assert not os.path.exists(found.directory)  # noqa: ASYNC240, PTH110 - one look


def test_nothing_is_kept_when_all_is_well(project):
    project.write(test_it="def test_well(private_cluster): pass")
    code, output = project.run("--keep")
    assert code == 0, output


@pytest.mark.parametrize("workers", [("-p", "xdist", "-n", "1")])
def test_workers_are_refused(project, workers):
    project.write(test_it="def test_well(): pass")
    code, output = project.run("--keep", *workers)
    assert code == pytest.ExitCode.USAGE_ERROR
    assert "--keep needs a run in one process" in output
