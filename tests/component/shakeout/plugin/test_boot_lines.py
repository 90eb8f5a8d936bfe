"""What components log while they are booted: the first test that uses them answers for it, and no other."""

import pytest

HEAD = """
import dataclasses
import parts
import pytest
from shakeout.system.allowed import AllowedLine


@pytest.fixture(scope="module")
def system():
    return parts.creaking
"""
SHARED = f"""{HEAD}

def test_first(cluster): pass


def test_second(cluster): pass
"""
PRIVATE = f"""{HEAD}

def test_own(private_cluster): pass


def test_another(private_cluster): pass
"""
ALLOWED = f"""{HEAD}

@pytest.mark.allows_log("the keel", component="hull", reason="it is old")
def test_first(cluster): pass


def test_second(cluster): pass


@pytest.mark.allows_log("the keel", reason="it is old")
def test_own(private_cluster): pass
"""
ALLOWED_BY_SYSTEM = f"""{HEAD}
    return dataclasses.replace(parts.creaking, allowed_log=(AllowedLine("the keel"),))


def test_first(cluster): pass


def test_own(private_cluster): pass
""".replace("    return parts.creaking\n", "")


def failed(project):
    return {
        test for test, told in project.outcomes().items() if {"failure", "error"} & told.keys()
    }


def run(project, text):
    project.write(test_it=text)
    return project.run("--junitxml=report.xml", "-p", "no:cacheprovider")


def test_first_test_of_a_shared_cluster_fails_with_its_boot(project):
    """An error of a boot is somebody's. Boot a component that logs one, for two tests."""
    code, output = run(project, SHARED)
    assert code == 1, output
    assert failed(project) == {"test_first"}
    told = project.outcomes()["test_first"]["error"]
    assert "components logged 1 bad line while they were booted, before this test" in told
    assert "hull error: the keel creaks" in told
    assert "cause: hull logged error while it was booted: the keel creaks." in output.splitlines()


def test_each_boot_of_a_private_cluster_fails_its_test(project):
    """Boot a cluster for each of two tests, with a component that logs an error."""
    code, output = run(project, PRIVATE)
    assert code == 1, output
    assert failed(project) == {"test_own", "test_another"}


@pytest.mark.parametrize(
    "text", [ALLOWED, ALLOWED_BY_SYSTEM], ids=["by the test", "by the system"]
)
def test_boot_may_log_what_is_allowed(project, text):
    """Boot a component that logs an error which a marker or the system allows."""
    code, output = run(project, text)
    assert code == 0, output
