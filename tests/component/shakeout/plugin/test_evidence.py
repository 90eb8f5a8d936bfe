"""What tests leave behind: pages, trace files, properties, the session's page, and failures by bad log lines.

One run of pytest over the example system; each test here looks at one part of what it left.
"""

import json
import re

import pytest

from shakeout.report import ledger, session

TESTS = """
import asyncio
import os

import pytest

from shakeout.system.allowed import AllowedLine
from shakeout.timeline import record
from shakeout.waiting.nearest import equals
from shakeout.waiting.until import until


async def test_passes(cluster, ask):
    await ask(cluster, "hull", "/health")


def test_without_cluster():
    pass


def test_fails_without_cluster():
    assert 3 == 4


async def test_waits_in_vain(cluster, ask):
    with record.span("step", "look at the tide"):
        await ask(cluster, "hull", "/health")
    await until(lambda: 3, within=0.05, satisfied=equals(5), describe="five boats are back")


async def test_dies(private_cluster, ask):
    with record.span("fault", "crash", targets=("mast",)):
        await ask(private_cluster, "mast", "/crash")


async def test_service_dies(private_cluster, ask):
    os.kill(private_cluster.process("redis").pid, 9)
    await asyncio.Event().wait()


def test_asks_late(request):
    cluster = request.getfixturevalue("cluster")
    assert not cluster


async def test_complains(cluster, ask):
    await ask(cluster, "mast", "/complain")


async def test_complains_alone(private_cluster, ask):
    await ask(private_cluster, "mast", "/complain")


@pytest.mark.allows_log("the anchor", component="mast", reason="that is what it provokes")
async def test_may_complain(cluster, ask):
    await ask(cluster, "mast", "/complain")


@pytest.mark.allows_log("the anchor", component="hull")
async def test_may_complain_elsewhere(cluster, ask):
    await ask(cluster, "mast", "/complain")


async def test_complains_and_fails(cluster, ask):
    await ask(cluster, "mast", "/complain")
    assert not "this"


@pytest.mark.timeout(1)
async def test_hangs(cluster):
    async with asyncio.TaskGroup() as group:
        group.create_task(asyncio.Event().wait(), name="the tide")
        await asyncio.Event().wait()
"""
SINKS = """
import parts
import pytest


@pytest.fixture(scope="module")
def system():
    return parts.sinking


async def test_never_boots(private_cluster):
    raise AssertionError("never reached")
"""
TIMEOUT = ("-p", "pytest_timeout")


class Left:
    """What the run left."""

    def __init__(self, project, output):
        self.project = project
        self.output = output
        (self.directory,) = (project.directory / "evidence").iterdir()
        self.told = project.outcomes()

    def page(self, test):
        """Text of a test's page; fails without one."""
        (path,) = self.directory.glob(f"{test}-*/index.html")
        return path.read_text()

    def has_page(self, test):
        return bool(list(self.directory.glob(f"{test}-*")))

    def trace(self, test):
        (path,) = self.directory.glob(f"{test}-*/trace.json")
        return json.loads(path.read_text())["traceEvents"]

    def properties(self, test):
        return self.project.properties()[test]

    def section(self, test):
        """What the terminal says of a test's failure."""
        parts = re.split(
            r"^_{3,} (?:ERROR at \w+ of )?(\w+) _{3,}$", self.output, flags=re.MULTILINE
        )
        told = dict(zip(parts[1::2], parts[2::2], strict=True))[test]
        return re.split(r"^(?:={3,}|-+ generated|shakeout:) ", told, flags=re.MULTILINE)[0]


@pytest.fixture(scope="module")
def left(module_project):
    module_project.write(test_it=TESTS, test_sinks=SINKS)
    arguments = ("--junitxml=report.xml", "-p", "no:cacheprovider", "--shakeout-report=evidence")
    code, output = module_project.run(*arguments, *TIMEOUT)
    assert code == 1, output
    return Left(module_project, output)


@pytest.mark.parametrize(
    ("test", "verdict", "cause"),
    [
        ("test_waits_in_vain", "product failed", "five boats are back; nearest miss: 3 at 0."),
        (
            "test_dies",
            "product failed",
            "mast exited with code 3; its last words: the mast breaks",
        ),
        ("test_service_dies", "infrastructure failed", "redis was killed by SIGKILL"),
        ("test_asks_late", "product failed", "Assertion failed: not cluster; seen: not <shakeout"),
        ("test_never_boots", "product failed", "exited with code 1; its last words: cannot swim."),
        ("test_complains", "product failed", "mast logged error: the anchor is lost."),
        ("test_complains_alone", "product failed", "mast logged error: the anchor is lost."),
        ("test_hangs", "unknown", "test_hangs: await asyncio.Event().wait()."),
    ],
)
def test_failed_test_leaves_verdict_cause_page_and_rerun(left, test, verdict, cause):
    told = left.properties(test)
    assert told["verdict"] == verdict
    assert cause in told["cause"]
    assert told["rerun"] == f"pytest {told['nodeid']} --shakeout-seed={told['seed']}"
    assert told["page"].endswith("/index.html")
    page = left.page(test)
    assert f"{test}</h1>" in page
    assert told["rerun"] in page
    assert left.section(test).rstrip().endswith(f"page:  {told['page']}\nrerun: {told['rerun']}")


@pytest.mark.parametrize("test", ["test_passes", "test_without_cluster", "test_may_complain"])
def test_passed_test_leaves_no_page(left, test):
    assert left.properties(test)["verdict"] == "passed"
    assert not left.has_page(test)


def test_failed_test_without_cluster_leaves_its_cause_and_no_page(left):
    assert left.properties("test_fails_without_cluster")["cause"] == "Assertion failed: 3 == 4."
    assert not left.has_page("test_fails_without_cluster")


def test_timeline_holds_steps_waits_faults_and_the_lines_of_all_components(left):
    names = {each["name"] for each in left.trace("test_waits_in_vain") if each["ph"] == "X"}
    assert {"test_waits_in_vain", "look at the tide", "five boats are back"} <= names
    assert "crash mast" in {each["name"] for each in left.trace("test_dies")}
    page = left.page("test_waits_in_vain")
    assert "set up cluster" in left.page("test_dies") or "set up private_cluster" in left.page(
        "test_dies"
    )
    assert 'data-who="hull"' in page


def test_cpu_and_memory_of_each_component_are_sampled(left):
    events = left.trace("test_hangs")
    pids = {each["pid"]: each["args"]["name"] for each in events if each["name"] == "process_name"}
    sampled = {pids[each["pid"]] for each in events if each["ph"] == "C"}
    assert sampled == {"redis", "hull", "mast"}
    memory = [each["args"]["MiB"] for each in events if each["name"] == "memory"]
    assert all(memory)


def test_bad_log_line_fails_the_test_after_it_has_run(left):
    assert "components logged 1 bad line" in left.told["test_complains"]["error"]
    assert "the anchor is lost" in left.told["test_complains"]["error"]
    assert "error" in left.told["test_may_complain_elsewhere"]


def test_bad_log_line_is_no_second_failure(left):
    assert "error" not in left.told["test_complains_and_fails"]
    assert "the anchor is lost" in left.page("test_complains_and_fails")


def test_what_components_log_is_escaped(left):
    page = left.page("test_complains")
    assert "<b>at sea</b>" not in page
    assert "&lt;b&gt;at sea&lt;/b&gt;" in page


def test_test_out_of_time_tells_where_each_task_waits(left):
    assert "the tide runs Event.wait" in left.page("test_hangs")
    assert "tasks when the time was up" in left.output
    assert "in test_hangs: await asyncio.Event().wait()" in left.section("test_hangs")


def test_session_leaves_a_page_that_sums_up(left):
    page = (left.directory / "index.html").read_text()
    merged = session.merge(left.directory)
    assert len(merged.entries) == 14
    assert len(merged.failures) == 11
    assert "11 of 14 failed" in page
    assert "unsaid (only injected) x1" in page, "how far the fault of the test that died got"
    for entry in merged.failures:
        assert not entry.page or (left.directory / entry.page).exists()
    assert (
        "shakeout: verdicts: 3 passed, 9 product failed, 1 infrastructure failed, 1 unknown"
        in left.output
    )
    assert f"shakeout: session page: {left.directory / 'index.html'}" in left.output


def test_outcomes_of_tests_with_a_cluster_are_remembered(left):
    found = ledger.read(left.project.directory / "outcomes.jsonl")
    verdicts = {one.nodeid.rpartition("::")[2]: one.verdict for one in found}
    assert verdicts["test_passes"] == "passed"
    assert verdicts["test_dies"] == "product failed"
    assert "test_without_cluster" not in verdicts
    assert {one.system for one in found} == {"healthy"}


EXPECTED = """
import pytest


@pytest.mark.xfail
async def test_with_cluster(cluster): pass


@pytest.mark.xfail(strict=True, reason="the tide")
def test_without_cluster(): pass
"""


def test_test_that_is_failed_without_an_error_has_not_passed(project):
    """Whatever pytest calls failed is so in each report. Let tests pass that are expected to fail, and run them again."""
    project.write(test_it=EXPECTED)
    arguments = ("-p", "no:cacheprovider", "--junitxml=report.xml", "--classify-flakes=1")
    code, output = project.run(*arguments, "--shakeout-report=evidence")
    assert code == 1
    told = project.properties()
    assert {one["verdict"] for one in told.values()} == {"product failed"}, output
    assert told["test_with_cluster"]["cause"].startswith("xfail without a typed reason: ")
    assert told["test_without_cluster"]["cause"] == "[XPASS(strict)] the tide."
    assert "shakeout: verdicts: 2 product failed" in output


INTERRUPTED = """
import asyncio
import os
import signal


async def test_waits(cluster):
    os.kill(os.getpid(), signal.SIGINT)
    await asyncio.Event().wait()
"""


def test_interrupted_test_leaves_a_page_that_says_so(project):
    project.write(test_it=INTERRUPTED)
    project.run("-p", "no:cacheprovider", "--shakeout-report=evidence")
    (page,) = (project.directory / "evidence").glob("*/test_waits-*/index.html")
    assert "unknown</span>" in page.read_text()
    assert "The run was ended by SIGINT" in page.read_text()
    (entry,) = session.merge(project.directory / "evidence").entries
    assert (entry.verdict, entry.system) == ("unknown", "healthy")


def test_evidence_of_passed_tests_is_kept_where_it_is_asked_for(project):
    project.write(test_it="async def test_passes(cluster): pass\ndef test_plain(): pass")
    arguments = ("-p", "no:cacheprovider", "--shakeout-report=evidence", "--evidence=all")
    assert project.run(*arguments)[0] == 0
    (session_directory,) = (project.directory / "evidence").iterdir()
    names = {path.name.partition("-")[0] for path in session_directory.iterdir()}
    assert names == {"index.html", "part.json", "test_passes"}


def test_nothing_is_left_where_nothing_failed_and_nobody_asked(project):
    project.write(test_it="async def test_passes(cluster): pass")
    code, output = project.run("-p", "no:cacheprovider")
    assert code == 0, output
    assert not (project.directory / "dist").exists()
    assert "session page" not in output


def test_test_whose_worker_dies_is_unknown_and_in_the_session(project):
    project.write(test_it="import os\ndef test_crashes(): os._exit(9)\ndef test_passes(): pass")
    arguments = ("-p", "no:cacheprovider", "-p", "xdist", "-n1", "--shakeout-report=evidence")
    code, output = project.run(*arguments)
    assert code == 1, output
    (failed,) = session.merge(project.directory / "evidence").failures
    assert (failed.nodeid, failed.verdict) == ("tests/test_it.py::test_crashes", "unknown")
    assert "crashed while running" in failed.cause
