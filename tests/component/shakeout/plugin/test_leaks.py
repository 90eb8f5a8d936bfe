"""What a test leaves behind in the shared cluster fails it by name, and the next one is clean."""

import re

import pytest

TESTS = """
import asyncio
import subprocess
import sys

import pytest


pids = []


async def redis(cluster, command):
    path = cluster.address("redis").removeprefix("unix://")
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(command.encode() + b"\\r\\n")
    await reader.readline()
    writer.close()


async def test_leaks_everything(cluster, ask):
    pids.append(cluster.process("hull").pid)
    for path in ("/fork", "/orphan", "/listen", "/scratch"):
        await ask(cluster, "hull", path)
    await redis(cluster, "SET left-behind 1")
    subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)


async def test_next_is_clean(cluster, ask):
    assert (await ask(cluster, "hull", "/health"))["pid"] not in pids


async def test_expected_key(cluster):
    await redis(cluster, "SET tide:high 1")


async def test_goes_away_by_itself(cluster):
    await redis(cluster, "SET passing 1 PX 300")


async def test_fails_and_leaks(cluster):
    pids.append(cluster.process("hull").pid)
    await redis(cluster, "SET left-behind 1")
    raise LookupError("its own failure")


async def test_after_a_failure_is_clean(cluster):
    assert cluster.process("hull").pid not in pids


async def test_restarts_a_member(cluster):
    await cluster.restart("mast")


async def test_stops_a_member(cluster):
    await cluster.stop("mast")


async def test_private_may_leave_anything(private_cluster, ask):
    await ask(private_cluster, "hull", "/orphan")


def test_tenant(tenant):
    assert tenant.startswith("t")


@pytest.mark.cluster(mast=2)
async def test_replicas(cluster, ask):
    assert (await ask(cluster, "mast-2", "/health"))["name"] == "mast-2"
    assert cluster.replicas("mast") == ("mast-1", "mast-2")
"""


@pytest.fixture(scope="module")
def outcomes(module_project):
    project = module_project
    project.write(test_it=TESTS)
    code, output = project.run("--junitxml=report.xml", "-p", "no:cacheprovider", "-W", "ignore")
    assert code == 1, output
    return project.outcomes()


@pytest.mark.parametrize(
    "row",
    [
        r"redis keys +left-behind +database 0",
        r"processes +hull: sleep 1000 #1 +pid \d+, of hull",
        r"processes +orphan: sleep 1001 #1 +pid \d+, of orphan",
        r"processes +this test process: \S+ -c input\(\) #1",
        r"processes +hull: listening port #2 +port \d+, held by pid \d+",
        r"files of hull +hull/scratch/left +directory with 0 entries",
    ],
)
def test_leak_is_named_with_its_owner(outcomes, row):
    told = outcomes["test_leaks_everything"]
    assert "failure" not in told, "the test itself has passed"
    assert "Leaked: the test left 6 things behind (looked for 2." in told["error"]
    assert re.search(row, told["error"])


@pytest.mark.parametrize(
    "test",
    [
        "test_next_is_clean",
        "test_expected_key",
        "test_goes_away_by_itself",
        "test_after_a_failure_is_clean",
        "test_private_may_leave_anything",
        "test_tenant",
        "test_replicas",
    ],
)
def test_no_leak_is_found_where_there_is_none(outcomes, test):
    assert set(outcomes[test]) == {"properties", "seconds"}


def test_leak_of_a_failed_test_does_not_hide_its_failure(outcomes):
    told = outcomes["test_fails_and_leaks"]
    assert told["failure"].startswith("LookupError: its own failure")
    assert "error" not in told


@pytest.mark.parametrize(
    ("test", "change"),
    [
        ("test_restarts_a_member", "mast was restarted"),
        ("test_stops_a_member", "mast does not run any more"),
    ],
)
def test_shared_cluster_must_not_be_changed(outcomes, test, change):
    assert (
        f"SharedClusterChanged: the shared cluster was changed: {change}"
        in outcomes[test]["error"]
    )


LOCKED = """
import asyncio

import pytest


async def test_locks_the_door(cluster):
    path = cluster.address("redis").removeprefix("unix://")
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(b"CONFIG SET requirepass secret\\r\\n")
    assert await reader.readline() == b"+OK\\r\\n"
    writer.close()


async def test_innocent(cluster, ask):
    await ask(cluster, "hull", "/health")
"""


def test_cluster_that_cannot_be_looked_into_is_for_no_other_test(project):
    """One test's damage is not told as another's. Let nobody look into Redis any more; the next test gets a new cluster."""
    project.write(test_it=LOCKED)
    code, _ = project.run("--junitxml=report.xml", "-p", "no:cacheprovider")
    told = project.outcomes()
    assert code == 1
    assert "NOAUTH Authentication required" in told["test_locks_the_door"]["error"]
    assert not told["test_innocent"].keys() & {"error", "failure"}
