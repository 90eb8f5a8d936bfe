"""The turnstiles, with and without their race, and fresh clusters of them."""

import contextlib
import importlib

import pytest

from shakeout.explore import run

SEEDS_MAX = 25


@pytest.fixture(scope="session")
def turnstile():
    """The module of the system with a known race."""
    return importlib.import_module("turnstile")


@pytest.fixture
def fresh(booted):
    """`fresh(system)`: boots it again and again, for `run`."""

    def of(system):
        @contextlib.asynccontextmanager
        async def boot(topology):
            async with booted(system, topology=topology) as cluster:
                yield cluster

        return boot

    return of


@pytest.fixture
def found(shakeout_runner, turnstile, fresh):
    """What the search for the race finds."""
    return shakeout_runner.run(
        run.search(
            turnstile.SCENARIO,
            fresh(turnstile.racy),
            range(SEEDS_MAX),
            effort=run.Effort(at_once=4),
        )
    )
