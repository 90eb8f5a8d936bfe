"""Which code a broker runs: always that of whoever asks, and not from where it lay."""

import functools
import importlib
import re
import shutil
import sys

import pytest

from shakeout.broker.errors import NotLeasable
from shakeout.waiting.until import until

FLAG = """
import os
import sys
import threading
from shakeout.system.model import Component, System

def environment(place):
    return ENVIRONMENT

def fly():
    print("COLOUR", file=sys.stderr, flush=True)
    threading.Event().wait()

system = System("flag", components=(Component("flag", call="flag_PART:fly", environment=environment),))
"""


@pytest.fixture
def flag(tmp_path, monkeypatch):
    """Write a module with a system, and import it anew: `flag(colour="red")`."""
    name = "flag_part"
    monkeypatch.syspath_prepend(tmp_path)

    def write(colour="red", environment="{}"):
        text = FLAG.replace("ENVIRONMENT", environment).replace("COLOUR", colour)
        (tmp_path / f"{name}.py").write_text(text.replace("flag_PART", name))
        sys.modules.pop(name, None)
        importlib.invalidate_caches()
        return importlib.import_module(name).system

    yield write
    sys.modules.pop(name, None)


async def test_changed_code_gets_another_broker(brokers, flag):
    for colour in ("red", "yellow"):
        lease = await brokers.lease(flag(colour))
        log = lease.cluster.log("flag")
        await until(
            functools.partial(log.read_text), within=5, satisfied=re.compile(colour).search
        )
        await lease.give_back()
    assert len(brokers.sockets()) == 2


async def test_unchanged_code_gets_the_same_broker(brokers, flag):
    for _ in range(2):
        lease = await brokers.lease(flag())
        await lease.give_back()
    assert len(brokers.sockets()) == 1


async def test_broker_needs_the_sandbox_no_more(brokers, flag, tmp_path):
    """A sandbox is deleted when its tests have run; a cluster that is booted later must not miss it."""
    system = flag()
    client = brokers.client()
    await (await client.lease(system, {}, durable=False, private=False)).give_back()
    (tmp_path / "flag_part.py").unlink()
    shutil.rmtree(tmp_path / "__pycache__", ignore_errors=True)
    lease = await client.lease(system, {"flag": 2}, durable=False, private=True)
    await lease.cluster.kill("flag-1")
    await lease.cluster.start("flag-1")
    await lease.close()


async def test_other_environment_in_each_process_is_refused(brokers, flag):
    with pytest.raises(NotLeasable, match="another environment in each process"):
        await brokers.lease(flag(environment="{'PID': str(os.getpid())}"))


async def test_another_user_environment_gets_another_broker(brokers, flag):
    changed = {**brokers.settings.inherited, "LANG": "tlh"}
    for inherited in (brokers.settings.inherited, changed):
        lease = await brokers.lease(flag(), inherited=inherited)
        await lease.give_back()
    assert len(brokers.sockets()) == 2
