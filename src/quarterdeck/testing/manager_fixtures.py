"""Fixtures for component tests of the manager: one real process of it with its services, users, and agents that only pretend.

async def test_...(cluster, user):
    async with manager_fixtures.agent(cluster, "a") as agent: ...
"""

import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from quarterdeck.client.client import Client
from quarterdeck.infra import etcd, queries
from quarterdeck.infra.postgres import Database
from quarterdeck.testing import system as quarterdeck_system
from quarterdeck.testing import tenancy
from quarterdeck.testing.fakes.agent_http import StubAgent
from quarterdeck.testing.fakes.storage_http import StubStorage
from quarterdeck.testing.image_layouts import ARCHITECTURE
from quarterdeck.testing.oracles import Observe
from quarterdeck.testing.tenancy import User
from quarterdeck.wire.sessions import Slots
from quarterdeck.wire.users import KeyPair
from shakeout.runner import Runner
from shakeout.system.cluster import Cluster
from shakeout.system.model import System

_SQL = queries.load(__package__)
MEMORY_MIB = 100_000


@contextlib.asynccontextmanager
async def agent(
    cluster: Cluster, name: str = "stub", *, cpu: int = 4, **facts: Any
) -> AsyncIterator[StubAgent]:
    """Pretend to be an agent for the time of a block, registered in the cluster's etcd with these facts: architecture, isolation, mounts."""
    stub = StubAgent(name, quarterdeck_system.keys.agent, Slots(cpu, MEMORY_MIB))
    for fact, value in ({"architecture": ARCHITECTURE} | facts).items():
        setattr(stub, fact, value)
    async with etcd.Etcd.open(cluster.address("etcd")) as registry, stub.serving(registry):
        yield stub


@contextlib.asynccontextmanager
async def storage(cluster: Cluster, host: str) -> AsyncIterator[StubStorage]:
    """Pretend to be a storage-proxy with one host for the time of a block, registered in the cluster's etcd."""
    stub = StubStorage(host, quarterdeck_system.keys.storage)
    async with etcd.Etcd.open(cluster.address("etcd")) as registry, stub.serving(registry):
        yield stub


def beside(cluster: Cluster) -> dict[str, str]:
    """Return the environment of a manager beside the cluster's own."""
    keys = quarterdeck_system.keys
    return {
        "QD_ID": "beside",
        "QD_LISTEN": "127.0.0.1:0",
        "QD_ADVERTISE": "http://127.0.0.1:1",
        "QD_ETCD_URL": cluster.address("etcd"),
        "QD_DATABASE_URL": cluster.address("postgres"),
        "QD_MASTER_KEY": keys.master,
        "QD_AGENT_SECRET": keys.agent,
        "QD_STORAGE_SECRET": keys.storage,
        "QD_STORAGE_TOKEN_KEY": keys.token,
        "QD_ADMIN_ACCESS_KEY": keys.admin_access_key,
    }


@contextlib.asynccontextmanager
async def signed_in(
    cluster: Cluster, keypair: KeyPair, manager: str = ""
) -> AsyncIterator[Client]:
    """Own a client with a key pair for the time of a block, of the first manager or a named one."""
    url = cluster.address(f"{manager}.http") if manager else tenancy.manager_url(cluster)
    async with Client(url, keypair.access_key, keypair.secret_key) as client:
        yield client


@pytest.fixture(scope="session")
def system() -> System:
    """A manager with PostgreSQL, Redis and etcd."""
    return quarterdeck_system.part(quarterdeck_system.system, "manager")


@pytest.fixture
def platform(request: pytest.FixtureRequest) -> Cluster:
    """The cluster that this test is about."""
    private = "private_cluster" in request.fixturenames
    found: Cluster = request.getfixturevalue("private_cluster" if private else "cluster")
    return found


@pytest.fixture
def admin(platform: Cluster, shakeout_runner: Runner) -> Iterator[Client]:
    """The administrator."""
    kept = shakeout_runner.keep(tenancy.administrator(platform))
    yield kept.value
    kept.close()


@pytest.fixture
def user(platform: Cluster, shakeout_runner: Runner) -> Iterator[User]:
    """A fresh user; afterwards sessions and folders are gone."""
    kept = shakeout_runner.keep(tenancy.tenant(platform, "ada"))
    yield kept.value
    kept.close()


@pytest.fixture
def other_user(platform: Cluster, shakeout_runner: Runner) -> Iterator[User]:
    """Another fresh user, who has nothing to do with `user`."""
    kept = shakeout_runner.keep(tenancy.tenant(platform, "bob"))
    yield kept.value
    kept.close()


@pytest.fixture
def observe(platform: Cluster) -> Iterator[Observe]:
    """Observers that do not trust the manager's own word; afterwards the database breaks none of its promises."""
    observers = Observe(platform)
    yield observers
    broken = observers.rows(_SQL["violations"])
    observers.close()
    assert broken == []


@pytest.fixture
def database(platform: Cluster, shakeout_runner: Runner) -> Iterator[Database]:
    """The manager's database, opened as a manager opens it."""
    kept = shakeout_runner.keep(
        Database.open(platform.address("postgres"), application_name="test", size_max=4)
    )
    yield kept.value
    kept.close()
