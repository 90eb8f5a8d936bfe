"""How tests run: coroutines, time-outs, workers, collecting, and what a run without a cluster costs."""

import pytest

TIMED = """
import asyncio
import time

import pytest


@pytest.mark.timeout(0.3)
async def test_waits_for_ever():
    await asyncio.Event().wait()


@pytest.mark.timeout(0.3)
async def test_blocks_for_ever():
    import threading
    threading.Event().wait()


@pytest.mark.timeout(0.3)
async def test_in_a_task_group():
    async with asyncio.TaskGroup() as group:
        group.create_task(asyncio.Event().wait())


async def test_afterwards():
    await asyncio.to_thread(str)
"""

WORKERS = """
import os
import pytest


@pytest.mark.parametrize("number", range(6))
async def test_health(cluster, ask, supervisor, number, record_property):
    assert (await ask(cluster, "hull", "/health"))["name"] == "hull"
    record_property("worker", os.environ["PYTEST_XDIST_WORKER"])
"""

NO_TEXT = """
import logging

def test_passes():
    logging.getLogger().error("a \\ud800 log")

def test_fails():
    raise ValueError("no \\ud800 name")
"""

PLAIN = """
import sys
import pytest


@pytest.fixture
def value(): return 6


def test_nothing_of_the_harness_is_imported(value):
    loaded = {name for name in sys.modules if name.startswith("shakeout.")}
    assert not loaded & {"shakeout.runner", "shakeout.clusters", "shakeout.process.supervisor"}
    assert "asyncio" not in sys.modules


def test_coroutine_starts_no_process(shakeout_runner):
    assert "shakeout.process.supervisor" not in sys.modules
"""

MISTAKES = """
import pytest


@pytest.fixture
async def asynchronous():
    return 1


def test_with_asynchronous_fixture(asynchronous): pass


@pytest.fixture(scope="session")
def system():
    import parts
    return parts.sinking


def test_that_cannot_start(cluster): pass


async def test_that_runs_its_own(shakeout_runner):
    shakeout_runner.run(never())


async def never(): pass
"""


HYPOTHESIS = """
import asyncio
import hypothesis

seen = set()


@hypothesis.given(hypothesis.strategies.integers())
@hypothesis.settings(max_examples=20, database=None)
async def test_many(number):
    seen.add(await asyncio.to_thread(int, number))


def test_all_were_awaited():
    assert len(seen) > 5
"""

HOOKS = """
import pathlib
from parts import healthy
import pytest

@pytest.fixture(scope="session")
def system():
    return healthy

def pytest_shakeout_booted(cluster, seconds):
    print("booted", cluster.name, seconds > 0)

def pytest_shakeout_died(nodeid, death):
    print("died", nodeid, death.name)
"""

KILLS = """
import asyncio


async def test_a(cluster):
    await cluster.process("mast").signal(9)
    await asyncio.Event().wait()
"""


def passed(told: dict[str, str]) -> bool:
    return not {"failure", "error", "skipped"} & set(told)


def test_time_out_stops_a_coroutine_where_it_waits(project):
    project.write(test_it=TIMED)
    project.run("-p", "pytest_timeout", "--junitxml=report.xml")
    outcomes = project.outcomes()
    for test in ("test_waits_for_ever", "test_blocks_for_ever", "test_in_a_task_group"):
        assert outcomes[test]["failure"].startswith("Failed: Timeout (>0.3s)")
    assert ">       await asyncio.Event().wait()" in outcomes["test_waits_for_ever"]["failure"]
    assert passed(outcomes["test_afterwards"])


@pytest.mark.parametrize("workers", [(), ("-p", "xdist", "-n", "2")], ids=["alone", "workers"])
def test_what_no_encoding_has_is_told_by_its_escape(project, workers):
    """Log and raise a lone surrogate, which reports of workers cannot carry: both tests are judged, and the cause is told line by line."""
    project.write(test_it=NO_TEXT)
    code, output = project.run(*workers)
    assert code == 1
    assert "1 failed, 1 passed" in output
    assert "\ncause: ValueError: no \\ud800 name.\n" in output


def test_workers_boot_a_cluster_each(project):
    project.write(test_it=WORKERS)
    code, output = project.run("-p", "xdist", "-n", "2", "--junitxml=report.xml")
    assert code == 0, output
    report = (project.directory / "report.xml").read_text()
    assert report.count('name="cluster_boot_seconds"') == 2
    assert 'name="worker" value="gw0"' in report
    assert 'name="worker" value="gw1"' in report


def test_run_without_cluster_pays_nothing(project):
    (project.directory / "conftest.py").write_text("")
    project.write(test_it=PLAIN)
    code, output = project.run("-p", "no:randomly")
    assert code == 0, output
    assert "booted" not in output


def test_collecting_boots_nothing(project):
    project.write(test_it=WORKERS)
    code, output = project.run("--collect-only", "-q")
    assert code == 0, output
    assert "6 tests collected" in output
    assert "booted" not in output


def test_same_seed_gives_the_same_random_numbers(project):
    project.write(test_it="def test_print(rng):\n    print('drew', rng.random())\n")
    outputs = [project.run("-s", "--shakeout-seed=7")[1] for _ in range(2)]
    drawn = [[line for line in output.splitlines() if "drew" in line] for output in outputs]
    assert drawn[0] == drawn[1] != []
    assert "shakeout: seed 7" in outputs[0]


def test_mistakes_are_explained(project):
    project.write(test_it=MISTAKES)
    project.run("--junitxml=report.xml", "-W", "ignore")
    outcomes = project.outcomes()
    assert "make it a plain function" in outcomes["test_with_asynchronous_fixture"]["error"]
    told = outcomes["test_that_cannot_start"]["error"]
    assert "ComponentDied: hull exited with code 1" in told
    assert "taking on water" in told
    assert "await it" in outcomes["test_that_runs_its_own"]["failure"]


def test_coroutine_may_be_a_property(project):
    project.write(test_it=HYPOTHESIS)
    code, output = project.run()
    assert code == 0, output


def test_hooks_tell_of_boots_and_deaths(project):
    (project.directory / "conftest.py").write_text(HOOKS)
    project.write(test_it=KILLS)
    _, output = project.run("-s")
    assert "booted c1 True" in output
    assert "died tests/test_it.py::test_a mast" in output


@pytest.mark.parametrize("fixture", ["cluster", "private_cluster", "tenant"])
def test_system_must_be_declared(project, fixture):
    (project.directory / "conftest.py").write_text("")
    project.write(test_it=f"def test_it({fixture}): pass\n")
    code, output = project.run()
    assert code == 1
    assert "define a fixture `system`" in output


def test_replicas_without_a_name_are_refused(project):
    """No test runs on less than it asks for. Ask for two of nobody."""
    project.write(
        test_it="import pytest\n@pytest.mark.cluster(2)\nasync def test_it(cluster): pass"
    )
    code, output = project.run("-p", "no:cacheprovider")
    assert code == 1, output
    assert "test_it: say replicas by name, as in cluster(agent=2)" in output
