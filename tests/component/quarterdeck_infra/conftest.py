"""Real services for the adapters of `quarterdeck.infra`, and connections to them."""

import contextlib

import pytest

from quarterdeck.base import tasks
from shakeout.services.etcd import Etcd
from shakeout.services.postgres import Postgres
from shakeout.services.redis import Redis
from shakeout.services.s3 import S3
from shakeout.system.model import System


@pytest.fixture(scope="session")
def system():
    """Services alone; no component."""
    store = S3("s3", buckets=("infra",), optional=True)
    return System("infra", services=(Postgres(), Redis(), Etcd(), store))


@pytest.fixture
def opened(shakeout_runner):
    """Keep async context managers open for the time of a test: `opened(manager)` gives their value."""
    with contextlib.ExitStack() as stack:

        def open_(manager):
            kept = shakeout_runner.keep(manager)
            stack.callback(kept.close)
            return kept.value

        yield open_


@pytest.fixture
def pauses(monkeypatch):
    """The seconds of each pause between two attempts, as they are made."""
    made = []
    pause = tasks.pause

    async def noting(seconds):
        made.append(seconds)
        await pause(seconds)

    monkeypatch.setattr(tasks, "pause", noting)
    return made
