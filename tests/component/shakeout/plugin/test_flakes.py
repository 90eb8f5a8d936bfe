"""Reruns that classify, in the workers of pytest-xdist: a failed test stays failed, whatever its reruns do."""

import pytest

from shakeout.report import session

TESTS = """
import pathlib

import pytest


def times(name):
    path = pathlib.Path(name)
    path.write_text(path.read_text() + "x" if path.exists() else "x")
    return len(path.read_text())


async def test_flaky(private_cluster, ask):
    await ask(private_cluster, "hull", "/health")
    assert times("flaky") > 1


async def test_broken(cluster, rng):
    times("broken")
    assert rng.random() > 2


async def test_passes(cluster):
    assert times("passes") == 1


def test_flaky_without_cluster():
    assert times("plain") > 1
"""


@pytest.fixture(scope="module")
def run(module_project):
    module_project.write(test_it=TESTS)
    arguments = ("--junitxml=report.xml", "-p", "no:cacheprovider", "--classify-flakes=2")
    code, output = module_project.run(*arguments, "-p", "xdist", "-n2")
    assert code == 1, output
    return module_project, output


@pytest.mark.parametrize(
    ("test", "verdict"),
    [
        ("test_flaky", "flaky"),
        ("test_flaky_without_cluster", "flaky"),
        ("test_broken", "product failed"),
        ("test_passes", "passed"),
    ],
)
def test_reruns_only_classify(run, test, verdict):
    project, _ = run
    assert project.properties()[test]["verdict"] == verdict
    assert ("failure" in project.outcomes()[test]) is (verdict != "passed")


@pytest.mark.parametrize(
    ("file", "times"), [("flaky", 3), ("broken", 3), ("plain", 3), ("passes", 1)]
)
def test_failed_test_is_run_as_often_as_asked_for(run, file, times):
    project, _ = run
    assert len((project.directory / file).read_text()) == times


def test_reruns_have_the_same_seed(run):
    _, output = run
    (told,) = (part for part in output.split("____ ") if part.startswith("test_broken"))
    assert told.count("assertion failed: assert # > #") == 2


def test_how_the_reruns_ended_is_told(run):
    project, output = run
    assert "rerun 1: passed\nrerun 2: passed" in output
    (directory,) = (project.directory / "dist" / "shakeout").iterdir()
    (page,) = directory.glob("test_flaky-*/index.html")
    assert "rerun 1: passed" in page.read_text()


def test_workers_hand_their_part_to_the_controller(run):
    project, output = run
    (directory,) = (project.directory / "dist" / "shakeout").iterdir()
    merged = session.merge(directory)
    assert len(merged.entries) == 4
    assert len(merged.boots) >= 2
    assert "shakeout: verdicts: 1 passed, 1 product failed, 2 flaky" in output
