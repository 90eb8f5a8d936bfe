"""Fixtures for component tests of the storage-proxy: one real process of it, and the volumes that share one suite."""

import contextlib
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from quarterdeck.base.clock import SystemClock
from quarterdeck.base.config import Secret
from quarterdeck.infra.object_store import ObjectStore
from quarterdeck.storage_proxy import ports
from quarterdeck.storage_proxy.model import Limits
from quarterdeck.storage_proxy.volumes import local, s3
from quarterdeck.testing import layout
from quarterdeck.testing import system as quarterdeck_system
from quarterdeck.testing.fakes.storage import FakeVolume
from quarterdeck.testing.storage_client import Proxy, Tree
from shakeout.runner import Runner
from shakeout.services.s3 import S3
from shakeout.system.cluster import Cluster
from shakeout.system.model import System

VolumeMaker = Callable[..., ports.Volume]


@pytest.fixture(scope="session")
def system() -> System:
    """A storage-proxy with etcd, and S3 for those who ask for it."""
    return quarterdeck_system.part(quarterdeck_system.system, "storage-proxy")


@pytest.fixture
def fake_volume() -> VolumeMaker:
    """Make volumes in memory, with limits of one's own."""

    def make(**limits: int) -> ports.Volume:
        return FakeVolume(SystemClock(), Limits(**limits))

    return make


@pytest.fixture
def local_volume(tmp_path: Path) -> Iterator[VolumeMaker]:
    """Make volumes on disk, with limits of one's own."""
    with contextlib.ExitStack() as stack:

        def make(**limits: int) -> ports.Volume:
            root = tmp_path / uuid.uuid4().hex
            volume = local.LocalVolume(root, SystemClock(), Limits(**limits))
            return stack.enter_context(contextlib.closing(volume))

        yield make


@pytest.fixture
def s3_volume(cluster: Cluster, shakeout_runner: Runner) -> Iterator[VolumeMaker]:
    """Make volumes in the bucket of a real S3 server, with limits of one's own; the bucket is empty afterwards."""
    (service,) = (each for each in cluster.system.services if isinstance(each, S3))
    store = shakeout_runner.keep(
        ObjectStore.open(
            cluster.address(service.name),
            layout.ARCHIVE_BUCKET,
            access_key=service.access_key,
            secret_key=Secret(service.secret_key),
        )
    )

    def make(**limits: int) -> ports.Volume:
        return s3.S3Volume(store.value, Limits(**limits))

    yield make
    shakeout_runner.run(store.value.delete_prefix(""))
    store.close()


@pytest.fixture(
    params=[
        "fake_volume",
        "local_volume",
        pytest.param("s3_volume", marks=pytest.mark.needs("s3")),
    ]
)
def make_volume(request: pytest.FixtureRequest) -> VolumeMaker:
    """Make volumes of each kind: the fake, on disk, in a bucket."""
    made: VolumeMaker = request.getfixturevalue(request.param)
    return made


@pytest.fixture
def platform(request: pytest.FixtureRequest) -> Cluster:
    """The cluster that this test is about: `private_cluster` if it takes one, else the shared one."""
    private = "private_cluster" in request.fixturenames
    found: Cluster = request.getfixturevalue("private_cluster" if private else "cluster")
    return found


@pytest.fixture
def proxy(platform: Cluster) -> Proxy:
    """The storage-proxy process."""
    keys = quarterdeck_system.keys
    return Proxy(platform.place("storage-proxy").port("http"), keys.token, keys.storage)


@pytest.fixture
def tree(proxy: Proxy, shakeout_runner: Runner) -> Iterator[Tree]:
    """An empty tree on the local host; it is gone afterwards."""
    made = Tree(proxy, layout.LOCAL_HOST, str(uuid.uuid4()))
    shakeout_runner.run(made.create())
    yield made
    shakeout_runner.run(made.delete())


@pytest.fixture
def disk(platform: Cluster) -> Path:
    """The directory of the local host's volume."""
    return platform.place("storage-proxy").directory / layout.TREES_DIRECTORY
