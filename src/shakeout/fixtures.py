"""Fixtures of the harness. They are synchronous and use `shakeout_runner.run(...)`.

What needs asyncio or starts processes is imported by the first test that asks for it.
"""

import contextlib
import dataclasses
import itertools
import random
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from shakeout import harness, skips
from shakeout.services import debian

if TYPE_CHECKING:
    from shakeout.clusters import Clusters
    from shakeout.explore.run import Boot
    from shakeout.process.supervisor import Supervisor
    from shakeout.runner import Runner
    from shakeout.running import Wanted
    from shakeout.system.cluster import Cluster
    from shakeout.system.model import System, Topology
    from shakeout.usage import Use

FRESH = itertools.count(1)
"""Names of the clusters that `fresh_clusters` boots."""


@pytest.fixture(scope="session")
def shakeout_runner(pytestconfig: pytest.Config) -> "Runner":
    """The event loop of coroutine tests: `shakeout_runner.run(coroutine)` in fixtures."""
    return harness.of(pytestconfig).runner


@pytest.fixture(scope="session")
def supervisor(shakeout_clusters: "Clusters") -> "Supervisor":
    """The owner of every process that this run starts itself."""
    return shakeout_clusters.supervisor


@pytest.fixture(scope="session")
def shakeout_clusters(
    pytestconfig: pytest.Config, shakeout_runner: "Runner"
) -> Iterator["Clusters"]:
    """The clusters of this process."""
    from shakeout import clusters, settings, usage  # noqa: PLC0415 - unit tests boot none
    from shakeout.broker.client import Client  # noqa: PLC0415 - as above

    known = settings.read()
    wanted = harness.wants_broker(pytestconfig)
    made = clusters.Clusters(shakeout_runner, Client(known) if wanted else None)
    harness.of(pytestconfig).clusters = made
    with contextlib.ExitStack() as stack:
        stack.callback(usage.raise_untold, made)
        stack.callback(made.close)
        yield made


@pytest.fixture(scope="session")
def system() -> "System":
    """The system under test. Override it: return a `shakeout.system.model.System`."""
    raise pytest.UsageError("define a fixture `system` that returns a shakeout System")


@pytest.fixture
def shakeout_use(request: pytest.FixtureRequest, shakeout_clusters: "Clusters") -> "Use":
    """How this test uses clusters."""
    from shakeout import usage  # noqa: PLC0415 - unit tests use none

    return usage.Use(harness.of(request.config), shakeout_clusters, request.node)


@pytest.fixture
def shakeout_wanted(request: pytest.FixtureRequest, system: "System") -> "Wanted":
    """What the markers of this test ask for. Skips where a service that it needs is not installed."""
    from shakeout import running  # noqa: PLC0415 - unit tests want none

    marker = request.node.get_closest_marker("cluster")
    if marker and marker.args:
        raise pytest.UsageError(
            f"{request.node.name}: say replicas by name, as in cluster(agent=2)"
        )
    needs = harness.needs_of(request.node)
    for service in system.services:
        if service.name in needs:
            skips.require(*debian.lacking(service))
    return running.Wanted(
        system,
        dict(marker.kwargs) if marker else {},
        needs,
        durable=request.config.getoption("--durable"),
        links=request.node.get_closest_marker("links") is not None,
        disks=request.node.get_closest_marker("disks") is not None,
    )


@pytest.fixture
def cluster(
    shakeout_clusters: "Clusters",
    shakeout_use: "Use",
    shakeout_wanted: "Wanted",
    pytestconfig: pytest.Config,
) -> Iterator["Cluster"]:
    """A healthy cluster that other tests use, too; what this test leaves behind fails it."""
    plain = dataclasses.replace(shakeout_wanted, links=False, disks=False)
    running = shakeout_clusters.shared(plain, harness.of(pytestconfig).soon)
    with shakeout_use.shared(running) as shared:
        yield shared


@pytest.fixture
def private_cluster(
    shakeout_clusters: "Clusters", shakeout_use: "Use", shakeout_wanted: "Wanted"
) -> Iterator["Cluster"]:
    """A cluster for this test alone, to break; it is stopped afterwards. Skips when it cannot have the disks that are asked for."""
    if shakeout_wanted.disks:
        _need_namespaces()
    running = shakeout_clusters.private(shakeout_wanted)
    with shakeout_use.private(running) as own:
        yield own


@pytest.fixture
def tenant(
    request: pytest.FixtureRequest,
    cluster: "Cluster",
    system: "System",
    shakeout_runner: "Runner",
) -> Iterator[Any]:
    """This test's own place in the shared cluster, made by `System.tenant`."""
    from shakeout import tenants  # noqa: PLC0415 - unit tests have none

    name = tenants.name(harness.of(request.config).seed, request.node.nodeid)
    kept = shakeout_runner.keep(tenants.factory(system.tenant)(cluster, name))
    yield kept.value
    kept.close()


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> random.Random:
    """A random generator of this test's own, the same in a rerun with the same seed."""
    return random.Random(f"{harness.of(request.config).seed} {request.node.nodeid}")


@pytest.fixture
def fresh_clusters(supervisor: "Supervisor", shakeout_wanted: "Wanted") -> "Boot":
    """`async with fresh_clusters(topology) as cluster`: one after the other to break, for `shakeout.explore.run`.

    They have what the markers of the test ask for, in the topology that the scenario asks for. They are never leased:
    a scenario wants many, and none of them warm. Skips as `private_cluster` does.
    """
    if shakeout_wanted.disks:
        _need_namespaces()
    from shakeout.system import boot  # noqa: PLC0415 - unit tests boot none

    @contextlib.asynccontextmanager
    async def fresh(topology: "Topology") -> AsyncIterator["Cluster"]:
        async with await boot.boot(
            shakeout_wanted.system,
            supervisor,
            name=f"x{next(FRESH)}",
            topology=topology,
            wanted=shakeout_wanted.needs,
            durable=shakeout_wanted.durable,
            links=shakeout_wanted.links,
            with_disks=shakeout_wanted.disks,
        ) as cluster:
            yield cluster

    return fresh


def _need_namespaces() -> None:
    """Skip where no disk can be mounted."""
    from shakeout.services import unprivileged  # noqa: PLC0415 - for tests with disks only

    if not unprivileged.namespaces_work():
        skips.skip(
            skips.Prerequisite(
                "user namespaces, in which disks are mounted",
                "sysctl user.max_user_namespaces=1000 kernel.apparmor_restrict_unprivileged_userns=0",
            )
        )
