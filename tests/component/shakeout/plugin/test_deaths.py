"""A component that dies fails the test that runs, at once and by name; the next test is clean.

One run of pytest over the example system; each test here looks at one test of that run.
"""

import pytest

TESTS = """
import asyncio
import contextlib
import os
import signal
import threading

import pytest

from shakeout.process import procfs
from shakeout.waiting.until import until

pids = {}
torn_down = []


async def test_dies_while_waiting(cluster, ask):
    await ask(cluster, "mast", "/crash-soon")
    await asyncio.Event().wait()


async def test_next_is_clean(cluster, ask):
    assert (await ask(cluster, "mast", "/health"))["name"] == "mast"


async def test_dies_while_asked(cluster, ask):
    await ask(cluster, "mast", "/crash")


async def test_cleanup_fails_too(cluster, ask):
    try:
        await ask(cluster, "mast", "/crash-soon")
        await asyncio.Event().wait()
    finally:
        raise LookupError("the clean-up fails")


async def test_swallows_its_end(cluster, ask):
    await ask(cluster, "mast", "/crash-soon")
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.Event().wait()


async def test_in_a_task_group(cluster, ask):
    async with asyncio.TaskGroup() as group:
        group.create_task(asyncio.Event().wait())
        await ask(cluster, "mast", "/crash-soon")


def test_synchronous_while_blocked(cluster, ask_now):
    ask_now(cluster, "mast", "/crash-soon")
    threading.Event().wait(100)


def test_synchronous_while_asked(cluster, ask_now):
    ask_now(cluster, "mast", "/crash")


def test_synchronous_that_would_pass(cluster):
    pid = cluster.process("mast").pid
    os.kill(pid, signal.SIGKILL)
    while (found := procfs.stat(pid)) and found.alive:
        pass


@pytest.fixture
def dies_in_set_up(cluster, ask, shakeout_runner):
    shakeout_runner.run(ask(cluster, "mast", "/crash-soon"))
    shakeout_runner.run(asyncio.Event().wait())


def test_set_up(dies_in_set_up):
    raise AssertionError("never reached")


@pytest.fixture
def dies_in_synchronous_set_up(cluster, ask_now):
    ask_now(cluster, "mast", "/crash-soon")
    threading.Event().wait(100)


async def test_synchronous_set_up(dies_in_synchronous_set_up):
    raise AssertionError("never reached")


@pytest.fixture
def cleans_up(shakeout_runner):
    yield
    torn_down.append(shakeout_runner.run(asyncio.to_thread(str, "yes")))


async def test_with_clean_up(cluster, cleans_up, ask):
    await ask(cluster, "mast", "/crash-soon")
    await asyncio.Event().wait()


def test_clean_up_has_run():
    assert torn_down == ["yes"]


async def test_fails_by_itself(cluster):
    assert cluster is None


async def test_before_the_gap(cluster):
    pids["mast"] = cluster.process("mast").pid


async def test_without_cluster():
    os.kill(pids["mast"], signal.SIGKILL)
    await until(lambda: not ((found := procfs.stat(pids["mast"])) and found.alive), within=30)


async def test_after_the_gap(cluster, ask):
    assert (await ask(cluster, "mast", "/health"))["pid"] != pids["mast"]


async def test_private_may_be_broken(private_cluster, ask):
    await private_cluster.kill("mast")
    assert (await ask(private_cluster, "hull", "/health"))["name"] == "hull"


async def test_private_dies(private_cluster, ask):
    await ask(private_cluster, "mast", "/crash-soon")
    await asyncio.Event().wait()


async def test_the_idle_shared_cluster_dies(cluster):
    pids["mast"] = cluster.process("mast").pid


async def test_other_cluster_is_not_blamed(private_cluster, ask):
    os.kill(pids["mast"], signal.SIGKILL)
    await until(lambda: not ((found := procfs.stat(pids["mast"])) and found.alive), within=30)
    assert (await ask(private_cluster, "mast", "/health"))["name"] == "mast"


def test_last_and_without_cluster():
    pass
"""


@pytest.fixture(scope="module")
def outcomes(module_project):
    project = module_project
    project.write(test_it=TESTS)
    code, output = project.run("--junitxml=report.xml", "-p", "no:cacheprovider")
    assert code == 1, output
    return {**project.outcomes(), "output": output}


@pytest.mark.parametrize(
    "test",
    [
        "test_dies_while_waiting",
        "test_dies_while_asked",
        "test_cleanup_fails_too",
        "test_swallows_its_end",
        "test_in_a_task_group",
        "test_synchronous_while_blocked",
        "test_synchronous_while_asked",
        "test_with_clean_up",
        "test_private_dies",
    ],
)
def test_death_fails_the_test_with_cause_and_log(outcomes, test):
    told = outcomes[test]["failure"]
    assert told.startswith("shakeout.process.errors.ComponentDied: mast exited with code 3")
    assert "the mast breaks" in told.partition("\n\n")[0], "the last log lines come first"
    assert set(outcomes[test]) == {"failure", "properties", "seconds"}, "nothing but the failure"


def test_death_by_signal_is_told_in_words(outcomes):
    told = outcomes["test_synchronous_that_would_pass"]["failure"]
    assert "mast was killed by SIGKILL" in told


@pytest.mark.parametrize("test", ["test_set_up", "test_synchronous_set_up"])
def test_death_in_set_up_is_an_error_of_set_up(outcomes, test):
    told = outcomes[test]["error"]
    assert told.startswith(
        'failed on setup with "shakeout.process.errors.ComponentDied: mast exited'
    )


def test_death_is_noticed_long_before_any_time_out(outcomes):
    seconds = {name: float(told["seconds"]) for name, told in outcomes.items() if name != "output"}
    assert max(seconds.values()) < 30, seconds


def test_death_is_told_with_the_place_where_the_test_waited(outcomes):
    assert "> " in outcomes["test_dies_while_waiting"]["failure"]
    assert "await asyncio.Event().wait()" in outcomes["test_dies_while_waiting"]["failure"]


def test_death_is_not_hidden_by_a_failing_clean_up(outcomes):
    told = outcomes["test_cleanup_fails_too"]["failure"]
    assert "meanwhile the test raised LookupError: the clean-up fails" in told


@pytest.mark.parametrize(
    "test",
    [
        "test_next_is_clean",
        "test_clean_up_has_run",
        "test_without_cluster",
        "test_private_may_be_broken",
        "test_other_cluster_is_not_blamed",
    ],
)
def test_others_are_not_concerned(outcomes, test):
    assert set(outcomes[test]) == {"properties", "seconds"}


def test_failure_without_a_death_stays_what_it_is(outcomes):
    assert outcomes["test_fails_by_itself"]["failure"].startswith(
        "assert <shakeout.system.cluster"
    )


def test_death_between_tests_is_told_after_the_next_one_which_runs(outcomes):
    told = outcomes["test_after_the_gap"]
    assert "failure" not in told
    assert (
        "DiedBetweenTests: died after tests/test_it.py::test_before_the_gap had ended"
        in told["error"]
    )
    assert "mast was killed by SIGKILL" in told["error"]


def test_death_after_the_last_test_with_a_cluster_is_told_at_the_end(outcomes):
    told = outcomes["test_last_and_without_cluster"]["error"]
    assert "died after tests/test_it.py::test_the_idle_shared_cluster_dies had ended" in told


def test_failure_shows_the_logs_of_the_test(outcomes):
    assert "log of mast" in outcomes["output"]
    assert "info the mast creaks" in outcomes["output"]


def test_report_names_seed_run_and_boots(outcomes):
    assert "shakeout: seed " in outcomes["output"]
    assert "runs below /" in outcomes["output"]
    assert "clusters booted (" in outcomes["output"]
