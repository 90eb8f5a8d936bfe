"""`@pytest.mark.links`: who gets links and who does not, and what a test sees when the proxy dies.

One run of pytest over the example system; each test here looks at one test of that run.
"""

import pytest

TESTS = """
import asyncio
import os
import signal

import pytest

from shakeout.faults.network import Cut
from shakeout.process import procfs


def test_unmarked(private_cluster):
    assert private_cluster.links is None
    assert "@pytest.mark.links" in Cut("mast", "redis").available(private_cluster)


@pytest.mark.links
def test_marked(private_cluster):
    assert private_cluster.links is not None


@pytest.mark.links
def test_shared(cluster):
    assert cluster.links is None


@pytest.mark.links
async def test_proxy_dies(private_cluster):
    os.kill(private_cluster.links.process.pid, signal.SIGKILL)
    await asyncio.Event().wait()


@pytest.mark.links
def test_synchronous_proxy_dies(private_cluster):
    pid = private_cluster.links.process.pid
    os.kill(pid, signal.SIGKILL)
    while (found := procfs.stat(pid)) and found.alive:
        pass


@pytest.mark.links
def test_after(private_cluster):
    assert private_cluster.links.process.running
"""


@pytest.fixture(scope="module")
def outcomes(module_project):
    module_project.write(test_links=TESTS)
    module_project.run("--junitxml=report.xml")
    return module_project.outcomes()


@pytest.mark.parametrize("name", ["test_unmarked", "test_marked", "test_shared", "test_after"])
def test_only_a_marked_test_gets_links_and_in_its_private_cluster(outcomes, name):
    assert outcomes[name].keys() <= {"seconds", "properties"}


@pytest.mark.parametrize("name", ["test_proxy_dies", "test_synchronous_proxy_dies"])
def test_death_of_the_proxy_fails_the_test_by_name(outcomes, name):
    told = "".join(outcomes[name].values())
    assert "ComponentDied: links was killed by SIGKILL" in told


@pytest.mark.parametrize("name", ["test_proxy_dies", "test_synchronous_proxy_dies"])
def test_death_of_the_proxy_is_not_told_as_the_products(outcomes, module_project, name):
    """Nobody looks for a fault in the product that the harness has. The proxy is killed; read who is to blame."""
    assert module_project.properties()[name]["verdict"] == "infrastructure failed"
