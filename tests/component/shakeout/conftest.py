"""Fixtures of Shakeout's own component tests: the example system, one run of the harness for all."""

import contextlib
import dataclasses
import importlib
import itertools
import sys
from pathlib import Path

import pytest

from shakeout import settings
from shakeout.process.supervisor import Supervisor
from shakeout.system import boot

HERE = str(Path(__file__).parent)
if HERE not in sys.path:  # the example system is called from there, by name
    sys.path.insert(0, HERE)

NUMBERS = itertools.count(1)


@pytest.fixture(scope="session")
def harbour():
    """The module of the example system."""
    return importlib.import_module("harbour")


@pytest.fixture(scope="session")
def harness_run(shakeout_runner):
    """A run of the harness: a supervisor with its reaper."""
    opened = shakeout_runner.run(Supervisor.open())
    yield opened
    shakeout_runner.run(opened.close())


@pytest.fixture
def booted(harness_run):
    """`async with booted(system, ...) as cluster`: a cluster of its own, closed at the end."""

    @contextlib.asynccontextmanager
    async def open_cluster(system, **options):
        name = f"t{next(NUMBERS)}"
        async with await boot.boot(system, harness_run, name=name, **options) as cluster:
            yield cluster

    return open_cluster


@pytest.fixture
def empty_cache_run(shakeout_runner, tmp_path):
    """A run whose kept data directories are none at first."""
    chosen = dataclasses.replace(settings.read(), cache=tmp_path / "cache")
    opened = shakeout_runner.run(Supervisor.open(chosen))
    yield opened
    shakeout_runner.run(opened.close())
