"""Fixtures for tests of the whole platform. `user`, `admin`, `observe` and `qd` are about the test's `private_cluster` if it takes one,
else about the shared `cluster`.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from quarterdeck.client.client import Client
from quarterdeck.client.sessions import Session
from quarterdeck.testing import hubs, tenancy
from quarterdeck.testing import system as quarterdeck_system
from quarterdeck.testing.hubs import Hub
from quarterdeck.testing.oracles import Observe
from quarterdeck.testing.shell import Shell
from quarterdeck.testing.tenancy import User
from quarterdeck.wire.states import SessionStatus
from shakeout.runner import Runner
from shakeout.system.cluster import Cluster
from shakeout.system.model import System

RUNNING_SECONDS_MAX = 10.0


@pytest.fixture(scope="session")
def system() -> System:
    """Quarterdeck, for Shakeout to boot."""
    return quarterdeck_system.system


@pytest.fixture
def platform(request: pytest.FixtureRequest) -> Cluster:
    """The cluster that this test is about."""
    found: Cluster = request.getfixturevalue(_cluster_name(request))
    return found


@pytest.fixture
def admin(platform: Cluster, shakeout_runner: Runner) -> Iterator[Client]:
    """The administrator."""
    kept = shakeout_runner.keep(tenancy.administrator(platform))
    yield kept.value
    kept.close()


@pytest.fixture
def user(request: pytest.FixtureRequest, shakeout_runner: Runner) -> Iterator[User]:
    """A fresh user; afterwards sessions and folders are gone."""
    if _cluster_name(request) == "cluster":
        yield request.getfixturevalue("tenant")
        return
    own = request.getfixturevalue("private_cluster")
    kept = shakeout_runner.keep(tenancy.visitor(own, "visitor"))
    yield kept.value
    kept.close()


@pytest.fixture
def other_user(platform: Cluster, shakeout_runner: Runner) -> Iterator[User]:
    """Another fresh user, who has nothing to do with `user`."""
    kept = shakeout_runner.keep(tenancy.tenant(platform, "other"))
    yield kept.value
    kept.close()


@pytest.fixture
def session(user: User, shakeout_runner: Runner) -> Session:
    """A running session of `user`, with one core and 256 MiB."""
    return shakeout_runner.run(_running_session(user))


@pytest.fixture
def hub(platform: Cluster, admin: Client, shakeout_runner: Runner) -> Iterator[Hub]:
    """A registry that the manager knows, empty; for tests that are marked `needs("registry")`."""
    kept = shakeout_runner.keep(hubs.known(platform, admin))
    yield kept.value
    kept.close()


@pytest.fixture
def observe(platform: Cluster) -> Iterator[Observe]:
    """Observers that do not trust the platform's own word."""
    observers = Observe(platform)
    yield observers
    observers.close()


@pytest.fixture
def qd(user: User, tmp_path: Path) -> Shell:
    """`qd` as `user` types it, in a directory of its own: `await qd("session", "ls", "--json")`."""
    return _shell(user, tmp_path)


@pytest.fixture
def other_qd(other_user: User, tmp_path: Path) -> Shell:
    """`qd` as `other_user` types it, in the same directory."""
    return _shell(other_user, tmp_path)


def _shell(user: User, directory: Path) -> Shell:
    return Shell(
        directory,
        {
            "QD_URL": user.url,
            "QD_ACCESS_KEY": user.keypair.access_key,
            "QD_SECRET_KEY": user.keypair.secret_key,
        },
    )


async def _running_session(user: User) -> Session:
    made = await user.sessions.create()
    await made.reaches(SessionStatus.RUNNING, within=RUNNING_SECONDS_MAX)
    return made


def _cluster_name(request: pytest.FixtureRequest) -> str:
    return "private_cluster" if "private_cluster" in request.fixturenames else "cluster"
