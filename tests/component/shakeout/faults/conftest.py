"""One cluster of the example system for the whole catalogue: each fault must leave it as it was."""

import contextlib

import pytest

from shakeout import skips
from shakeout.faults import catalogue
from shakeout.services import unprivileged
from shakeout.system import boot


@pytest.fixture(scope="session")
def afloat(shakeout_runner, harness_run, harbour):
    """The example system with all of its services."""

    with_disks = unprivileged.namespaces_work()

    @contextlib.asynccontextmanager
    async def opened():
        async with await boot.boot(
            harbour.system,
            harness_run,
            name="afloat",
            wanted=("s3",),
            with_disks=with_disks,
            links=True,
        ) as cluster:
            catalogue.expect(cluster)
            yield cluster

    kept = shakeout_runner.keep(opened())
    yield kept.value
    kept.close()


@pytest.fixture
def disks():
    """For tests that need disks: their skip where there are none."""
    if not unprivileged.namespaces_work():
        skips.skip(skips.Prerequisite("user namespaces", "sysctl user.max_user_namespaces=1000"))
