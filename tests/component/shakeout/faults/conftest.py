"""One cluster of the example system for the whole catalogue: each fault must leave it as it was."""

import contextlib

import pytest

from shakeout.faults import catalogue
from shakeout.system import boot


@pytest.fixture(scope="session")
def afloat(shakeout_runner, harness_run, harbour):
    """The example system with all of its services."""

    @contextlib.asynccontextmanager
    async def opened():
        async with await boot.boot(
            harbour.system, harness_run, name="afloat", wanted=("s3",), with_disks=True, links=True
        ) as cluster:
            catalogue.expect(cluster)
            yield cluster

    kept = shakeout_runner.keep(opened())
    yield kept.value
    kept.close()
