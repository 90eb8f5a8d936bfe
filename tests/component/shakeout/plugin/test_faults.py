"""Faults in tests that pytest runs: refused on a shared cluster, no failure on a private one, and counted in a matrix."""

import re

import pytest

FAULTS = """
import pytest

from shakeout.faults import catalogue, lifecycle
from shakeout.faults.process import Kill, Pause


async def test_shared(cluster):
    async with lifecycle.injected(Kill("hull"), cluster):
        pass


async def test_private(private_cluster, ask):
    catalogue.expect(private_cluster)
    async with lifecycle.injected(Kill("hull"), private_cluster):
        pass
    assert (await ask(private_cluster, "hull", "/health"))["name"] == "hull"


async def test_death_in_a_fault(private_cluster, ask):
    async with lifecycle.injected(Pause("redis"), private_cluster):
        await ask(private_cluster, "hull", "/crash-soon")
        await private_cluster.process("hull").wait()


@pytest.mark.disks
async def test_disks(private_cluster):
    assert private_cluster.disks


@pytest.mark.disks
async def test_shared_without_disks(cluster):
    assert cluster.disks is None
"""


@pytest.fixture
def faults(project):
    project.write(test_it=FAULTS)
    return project


def test_fault_on_a_shared_cluster_names_the_other_fixture(faults):
    code, output = faults.run("-k", "test_shared")
    assert code == 1
    assert "ClusterShared: kill hull: cluster c1 is shared with other tests" in output
    assert "take the fixture `private_cluster` instead" in output
    assert "1 failed, 1 passed" in output


def test_killed_member_fails_nothing_and_is_counted(faults):
    code, output = faults.run("-k", "test_private or test_disks")
    assert code == 0
    assert re.search(r"^kill +! +x +! +unsaid$", output, re.MULTILINE)
    assert "hole: kill redis, mast\n" in output


def test_death_that_is_no_part_of_the_fault_fails_the_test(faults):
    code, output = faults.run("-k", "test_death")
    assert code == 1
    assert "ComponentDied: hull exited with code 3" in output


def test_workers_tell_what_they_injected(faults):
    _, output = faults.run("-p", "xdist.plugin", "-n", "2", "-k", "test_private or test_disks")
    assert re.search(r"^kill +! +x +! +unsaid$", output, re.MULTILINE)
