"""Real services for the adapters of `quarterdeck.infra`, and connections to them."""

import contextlib

import pytest

from quarterdeck.base import tasks
from quarterdeck.testing.registries import Shelf
from shakeout.services.etcd import Etcd
from shakeout.services.postgres import Postgres
from shakeout.services.redis import Redis
from shakeout.services.registry import Access, Registry
from shakeout.services.s3 import S3
from shakeout.system.model import System


@pytest.fixture(scope="session")
def system():
    """Services alone; no component."""
    store = S3("s3", buckets=("infra",), optional=True)
    registries = (
        Registry("registry", optional=True),
        Registry("guarded", access=Access.PASSWORD, optional=True),
        Registry("ticketed", access=Access.TOKEN, optional=True),
    )
    return System("infra", services=(Postgres(), Redis(), Etcd(), store, *registries))


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
def enter(opened):
    """As `opened`, within a test: `await enter(manager)`."""
    return opened(contextlib.AsyncExitStack()).enter_async_context


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


@pytest.fixture
def shelf(cluster):
    """What the registries of the cluster hold: `shelf("guarded")`; what is put there is gone afterwards."""
    with contextlib.ExitStack() as stack:

        def open_(name="registry"):
            return stack.enter_context(contextlib.closing(Shelf(cluster, name)))

        yield open_
