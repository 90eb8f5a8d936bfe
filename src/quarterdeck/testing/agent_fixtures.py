"""Fixtures for component tests of the agent: real zygotes and kernels without a service, and one real agent process."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TypeVar

import pytest

from quarterdeck.agent.kernels.launcher import Launcher
from quarterdeck.testing import containers, image_contents, layout, workshops
from quarterdeck.testing import system as quarterdeck_system
from quarterdeck.testing.agent_client import Agent
from shakeout.runner import Runner
from shakeout.skips import Prerequisite, skip
from shakeout.system.cluster import Cluster
from shakeout.system.model import System

T = TypeVar("T")
Vanished = Callable[[int], Awaitable[None]]


@pytest.fixture(scope="session")
def system() -> System:
    """An agent with etcd and Redis."""
    return quarterdeck_system.part(quarterdeck_system.system, "agent")


@pytest.fixture(scope="session")
def namespaced(shakeout_runner: Runner) -> Iterator[Launcher]:
    """A zygote that isolates its kernels as well as this machine allows."""
    kept = shakeout_runner.keep(workshops.zygote(isolate=True))
    yield kept.value
    kept.close()


@pytest.fixture(scope="session")
def plain(shakeout_runner: Runner) -> Iterator[Launcher]:
    """A zygote whose kernels are processes like any other."""
    kept = shakeout_runner.keep(workshops.zygote(isolate=False))
    yield kept.value
    kept.close()


@pytest.fixture
def workshop(
    namespaced: Launcher, tmp_path: Path, shakeout_runner: Runner
) -> Iterator[workshops.Workshop]:
    """Makes isolated kernels."""
    yield from _kept(shakeout_runner, workshops.opened(namespaced, tmp_path / "scratch"))


@pytest.fixture(scope="session")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> containers.Unpacked:
    """Unpacks images."""
    containers.required()
    return containers.Unpacked(tmp_path_factory.mktemp("images"))


@pytest.fixture(scope="session")
def contained(
    shakeout_runner: Runner,
    unpacked: containers.Unpacked,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[containers.Contained]:
    """Makes kernels in containers with a Python."""
    image = shakeout_runner.run(unpacked.image(image_contents.python_image()))
    kept = shakeout_runner.keep(containers.contained(tmp_path_factory.mktemp("group"), image))
    yield kept.value
    kept.close()


@pytest.fixture
def container_workshop(
    contained: containers.Contained, tmp_path: Path, shakeout_runner: Runner
) -> Iterator[workshops.Workshop]:
    """Makes kernels in containers."""
    yield from _kept(shakeout_runner, workshops.opened(contained, tmp_path / "scratch"))


@pytest.fixture(params=["namespaced", "plain"])
def any_workshop(
    request: pytest.FixtureRequest, tmp_path: Path, shakeout_runner: Runner
) -> Iterator[workshops.Workshop]:
    """Makes kernels, isolated and not."""
    launcher: Launcher = request.getfixturevalue(request.param)
    yield from _kept(shakeout_runner, workshops.opened(launcher, tmp_path / "scratch"))


@pytest.fixture
def mounts(namespaced: Launcher) -> None:
    """Leave the test out where an ordinary user may make no namespaces."""
    if not namespaced.mounts:
        skip(Prerequisite("mount namespaces", "allow user namespaces: user.max_user_namespaces"))


@pytest.fixture
def vanished() -> Vanished:
    """Wait until a process is no more, as told by the operating system."""

    async def wait(pid: int) -> None:
        loop = asyncio.get_running_loop()
        try:
            handle = os.pidfd_open(pid)
        except ProcessLookupError:
            return
        ended = asyncio.Event()
        loop.add_reader(handle, ended.set)
        try:
            async with asyncio.timeout(5):
                await ended.wait()
        finally:
            loop.remove_reader(handle)
            os.close(handle)

    return wait


@pytest.fixture
def agent(cluster: Cluster, shakeout_runner: Runner) -> Iterator[Agent]:
    """The shared agent process; the kernels that a test has made are destroyed afterwards."""
    address = cluster.address("agent.http")
    yield from _kept(shakeout_runner, Agent.open(address, quarterdeck_system.keys.agent))


@pytest.fixture
def scratch(cluster: Cluster) -> Path:
    """Where the shared agent keeps the directories of kernels."""
    return cluster.place("agent").directory / layout.SCRATCH_DIRECTORY


def _kept(runner: Runner, resource: AbstractAsyncContextManager[T]) -> Iterator[T]:
    kept = runner.keep(resource)
    yield kept.value
    kept.close()
