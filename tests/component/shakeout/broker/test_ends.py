"""When a broker ends, and who may talk to it."""

import os
import shutil
import subprocess
import sys

import pytest

from shakeout import skips
from shakeout.broker import protocol, start
from shakeout.waiting.until import until

ROOT = skips.Prerequisite("root", "run the tests as root: only root can ask as another user")


async def test_idle_broker_ends_and_leaves_nothing(brokers, harbour):
    lease = await brokers.lease(harbour.small, broker_idle_seconds=0.5)
    await lease.give_back()
    await until(brokers.left, within=20, satisfied=lambda left: not left)


async def test_broker_with_a_guest_is_not_idle(brokers, harbour, ask):
    lease = await brokers.lease(harbour.small, broker_idle_seconds=0.1)
    await until(lambda: brokers.status()["fresh"], within=10)
    assert ask(lease.cluster)
    await lease.close()


async def test_stop_ends_it_with_all_that_is_on_lease(brokers, harbour):
    lease = await brokers.lease(harbour.small)
    brokers.stop()
    await until(brokers.left, within=20, satisfied=lambda left: not left)
    assert "broker died" in str(lease.failure)
    lease.drop()


async def test_broker_ends_without_its_home(brokers, harbour):
    lease = await brokers.lease(harbour.small)
    await lease.give_back()
    shutil.rmtree(brokers.home)
    await until(brokers.left, within=20, satisfied=lambda left: not left)


async def test_socket_left_behind_is_passed_by(brokers, harbour):
    first = await brokers.lease(harbour.small)
    name = brokers.sockets()[0].name
    await first.close()
    brokers.stop()
    await until(brokers.left, within=20, satisfied=lambda left: not left)
    dead = brokers.home / "shk-dead"
    dead.mkdir()
    protocol.listen(dead / name).close()
    second = await brokers.lease(harbour.small)
    await second.close()
    shutil.rmtree(dead)


async def test_another_version_is_refused(brokers, harbour):
    lease = await brokers.lease(harbour.small)
    (path,) = brokers.sockets()
    told = brokers.say(path, {"do": "stop", "version": 99})
    assert "speaks version 1, not 99" in told["error"]
    assert brokers.status()["leased"] == 1
    await lease.close()


async def test_another_user_is_refused(brokers, harbour):
    if os.getuid() != 0:
        skips.skip(ROOT)
    lease = await brokers.lease(harbour.small)
    (path,) = brokers.sockets()
    brokers.home.chmod(0o711)
    assert "PermissionError" in brokers.ask_as_stranger(path)
    path.chmod(0o666)
    assert "serves user 0, not user 65534" in brokers.ask_as_stranger(path)
    assert brokers.status()["leased"] == 1
    await lease.close()


async def test_connection_without_a_request_harms_nobody(brokers, harbour):
    lease = await brokers.lease(harbour.small)
    (path,) = brokers.sockets()
    with protocol.connect(path):
        for nonsense in (b"no JSON", b"[1]", b'{"do":"lease"}'):
            with protocol.connect(path) as talker:
                talker.send(nonsense)
                assert talker.recv(100) == b""
        assert brokers.status()["leased"] == 1
    await lease.close()


@pytest.mark.parametrize("asked", [{"do": "lease"}, {"do": "lease", "system": "no.module:here"}])
async def test_request_that_cannot_be_done_is_answered(brokers, harbour, asked):
    lease = await brokers.lease(harbour.small)
    (path,) = brokers.sockets()
    whole = {"replicas": {}, "durable": False, "private": False} if "system" in asked else {}
    assert "error" in brokers.say(path, {"version": protocol.VERSION, **whole, **asked})
    assert brokers.status()["leased"] == 1
    await lease.close()


async def test_used_broker_does_not_retire(brokers, harbour):
    lease = await brokers.lease(harbour.small)
    start.retire(brokers.home, keep=0)
    assert brokers.status()["leased"] == 1
    await lease.close()

    def left():
        start.retire(brokers.home, keep=0)
        return brokers.left()

    await until(left, within=20, satisfied=lambda left: not left)


def test_broker_that_does_not_answer_is_passed_by(brokers, monkeypatch):
    mute = brokers.home / "shk-mute"
    mute.mkdir()
    monkeypatch.setattr(protocol, "ANSWER_SECONDS_MAX", 0.1)
    with protocol.listen(mute / "broker-mute.sock"):
        with pytest.raises(TimeoutError):
            protocol.ask(mute / "broker-mute.sock", "status")
        start.retire(brokers.home, keep=0)
    shutil.rmtree(mute)


@pytest.mark.parametrize("command", ["status", "retire", "stop"])
def test_command_without_a_broker_says_nothing(brokers, command):
    done = subprocess.run(
        [sys.executable, "-m", "shakeout.broker", command],
        env=brokers.environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == done.stderr == ""
