"""Clusters with links: one for all that change only links, others of their own."""

import contextlib

import pytest

from shakeout.system import boot


@pytest.fixture(scope="session")
def linked(shakeout_runner, harness_run, harbour):
    """The harbour with a proxy on each edge; tests leave its links restored."""
    cluster = shakeout_runner.run(
        boot.boot(harbour.system, harness_run, name="linked", links=True)
    )
    yield cluster
    shakeout_runner.run(cluster.close())


@pytest.fixture
def link(shakeout_runner, linked):
    """`link(source, target)` of that cluster, restored afterwards."""
    with contextlib.ExitStack() as stack:

        def of(source, target):
            found = linked.links.link(source, target)
            stack.callback(lambda: shakeout_runner.run(found.restore()))
            return found

        yield of
