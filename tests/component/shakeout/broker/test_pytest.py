"""Tests on leased clusters: what pytest runs and prints."""

import re

import pytest

from shakeout.cli import down
from shakeout.hand import asking, state
from shakeout.waiting.until import until

PASSING = """
def test_address(cluster):
    assert cluster.address("dinghy")
"""
LEAKING = """
import redis

def test_that_leaves_a_key(cluster):
    with redis.Redis.from_url(cluster.address("redis")) as client:
        client.set("left", "behind")
"""
FAILING = """
import urllib.request

def test_that_fails(cluster):
    urllib.request.urlopen(cluster.address("dinghy") + "/ahoy").close()
    assert False
"""
PRIVATE = """
async def test_of_its_own(private_cluster):
    await private_cluster.restart("dinghy")
    await private_cluster.kill("dinghy")
"""
BOTH = """
import pytest

@pytest.mark.links
async def test_of_both(cluster, private_cluster):
    assert private_cluster.links is not None
"""
DYING = """
import os

async def test_that_kills(cluster):
    await cluster.process("dinghy").signal(9)
    await cluster.process("dinghy").wait()
"""
WAITING = """
import asyncio, pathlib

async def test_that_waits(cluster):
    pathlib.Path("waits").touch()
    await asyncio.Event().wait()
"""
PIDS = """
import pathlib

def test_pid{0}(cluster, request):
    pathlib.Path("pid{0}").write_text(str(cluster.process("dinghy").pid))
"""

CREAKING = """
import harbour
import pytest

@pytest.fixture(scope="session")
def system():
    return harbour.creaking
"""
TWO = """
def test_first(cluster): pass

def test_second(cluster): pass
"""
ALLOWING = """
import pytest

@pytest.mark.allows_log("the keel", reason="it is old")
def test_first(cluster): pass
"""


def test_second_run_gets_the_cluster_of_the_first(project, brokers):
    project.write(test_pid=PIDS.format(1))
    pids = set()
    for _ in range(2):
        code, output = project.run()
        assert code == 0, output
        assert "1 cluster leased (" in output
        pids.add((project.directory / "pid1").read_text())
    assert len(pids) == 1
    assert brokers.status()["used"] == 1


def test_workers_of_xdist_share_a_broker_but_no_cluster(project, brokers):
    project.write(**{f"test_{number}": PIDS.format(number) for number in range(4)})
    code, output = project.run("-n", "2", "--dist", "loadfile", "-p", "xdist.plugin")
    assert code == 0, output
    assert len(brokers.sockets()) == 1
    assert brokers.status()["used"] == 2


def test_leak_fails_the_test_and_the_cluster_is_not_used_again(project, brokers):
    project.write(test_leak=LEAKING)
    code, output = project.run()
    assert code == 1
    assert "redis keys" in output
    assert "left" in output
    assert brokers.status()["used"] == 0
    project.write(test_leak=PASSING)
    assert project.run()[0] == 0


def test_failed_test_shows_what_the_components_logged(project):
    project.write(test_fail=FAILING)
    code, output = project.run()
    assert code == 1
    assert re.search(r"log of dinghy -+\n.*/ahoy", output)


def test_evidence_begins_with_the_lease(project):
    """What a cluster logged before, while it was booted and for others, is no part of this test's story."""
    project.write(test_fail=FAILING)
    project.run("--shakeout-report=first")
    project.write(test_fail=FAILING.replace("/ahoy", "/adieu"))
    project.run("--shakeout-report=second")
    (page,) = project.directory.glob("second/*/*/index.html")
    shown = page.read_text()
    assert "/adieu" in shown
    assert "/ahoy" not in shown
    assert "/health" not in shown


def test_boot_ahead_fails_the_first_test_that_uses_the_cluster(project, brokers):
    """What a broker boots is somebody's to answer for. Lease a cluster that logs an error while it boots, for two tests."""
    project.write(conftest=CREAKING, test_it=TWO)
    code, output = project.run("-rA")
    assert code == 1, output
    assert "1 cluster leased (" in output
    assert "while they were booted, before this test" in output
    assert "ERROR test_it.py::test_first" in output
    assert "ERROR test_it.py::test_second" not in output
    assert brokers.status()["used"] == 1


def test_boot_ahead_is_told_once(project):
    """A cluster that was used has no boot to answer for. Use one whose boot the first test allows, and use it again."""
    project.write(conftest=CREAKING, test_it=ALLOWING)
    assert project.run()[0] == 0
    project.write(test_it=TWO)
    code, output = project.run()
    assert code == 0, output


async def test_clusters_of_one_broker_are_kept_side_by_side(project, brokers):
    project.write(test_fail=FAILING)

    def kept():
        return state.running(brokers.home)

    with project.start("--keep") as first:
        await until(lambda: len(kept()), within=30, satisfied=lambda count: count == 1)
        with project.start("--keep") as second:
            await until(lambda: len(kept()), within=30, satisfied=lambda count: count == 2)
            found = kept()
            assert {one.pid for one in found} == {first.pid, second.pid}
            for one in found:
                asking.ask(one, {"do": "restart", "member": "dinghy"})
                assert not down.end(one)
    assert brokers.status()["used"] == 0


def test_clean_cluster_of_a_failed_test_is_used_again(project, brokers):
    project.write(test_fail=FAILING)
    assert project.run()[0] == 1
    assert brokers.status()["used"] == 1


def test_private_cluster_is_leased_and_does_not_come_back(project, brokers):
    project.write(test_own=PRIVATE)
    code, output = project.run()
    assert code == 0, output
    assert "1 cluster leased (" in output
    assert brokers.status()["used"] == 0


def test_cluster_with_links_is_booted_beside_a_leased_one_and_leaves_nothing(project, brokers):
    project.write(test_both=BOTH)
    code, output = project.run()
    assert code == 0, output
    assert "1 cluster leased (" in output
    assert "1 cluster booted (" in output
    assert brokers.status()["used"] == 1


def test_death_of_a_component_fails_the_test_with_its_log(project, brokers):
    project.write(test_death=DYING)
    code, output = project.run()
    assert code == 1
    assert "dinghy was killed by SIGKILL" in output
    assert brokers.status()["used"] == 0


async def test_killed_broker_fails_the_running_test_by_name(project, brokers):
    project.write(test_wait=WAITING)
    with project.start("-p", "no:cacheprovider") as process:
        await until((project.directory / "waits").exists, within=30)
        brokers.kill()
        output = process.communicate()[0]
    assert process.returncode == 1
    assert "the harness's broker died" in output


@pytest.mark.parametrize("how", ["option", "environment"])
def test_broker_can_be_done_without(project, brokers, how):
    project.write(test_address=PASSING)
    option, chosen = (
        (("--no-broker",), {}) if how == "option" else ((), {"SHAKEOUT_BROKER": "off"})
    )
    code, output = project.run(*option, **chosen)
    assert code == 0, output
    assert ", no broker" in output
    assert "1 cluster booted (" in output
    assert not brokers.sockets()


def test_what_cannot_be_leased_is_booted_here_and_that_is_told(project, brokers):
    own = "import dataclasses, harbour, pytest\n@pytest.fixture(scope='session')\ndef system():\n"
    own += "    return dataclasses.replace(harbour.small, name='other')\n"
    project.write(conftest=own, test_address=PASSING)
    code, output = project.run()
    assert code == 0, output
    assert "not from the broker: system 'other' is an attribute of no module" in output
    assert not brokers.sockets()
