"""The probes that every cluster gets, by the services that run in it."""

import functools
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from shakeout.checks import etcd, files, postgres, processes, redis
from shakeout.checks.leaks import Expected, Factory, Probe
from shakeout.services import postgres_data
from shakeout.services import registry as registry_service
from shakeout.services.etcd import Etcd
from shakeout.services.postgres import Postgres
from shakeout.services.redis import Redis
from shakeout.services.registry import Registry
from shakeout.services.s3 import S3
from shakeout.system.cluster import Cluster
from shakeout.system.place import Place
from shakeout.system.service import Service


def factories(cluster: Cluster) -> Iterator[Factory]:
    """Factories of the probes for a cluster; a service that does not run has none."""
    yield processes.Processes
    for service in cluster.system.services:
        if cluster.member(service.name).running:
            yield functools.partial(_probe, service)


def _probe(service: Service, cluster: Cluster) -> Probe | Expected:
    place = cluster.place(service.name)
    match service:
        case Postgres():
            socket = postgres_data.socket(place.directory)
            return postgres.Sessions(
                f"{service.name} sessions",
                socket,
                postgres_data.SUPERUSER,
                service.databases[0].name,
            )
        case Redis():
            return redis.Keys(
                f"{service.name} keys", Path(urlsplit(cluster.address(service.name)).path)
            )
        case Etcd():
            return etcd.KeysAndLeases(f"{service.name} keys", place.port("client"))
        case S3() | Registry():
            return _files(service, place)
        case _:
            return Expected(service.name, ())


def _files(service: S3 | Registry, place: Place) -> Probe:
    """Of a service that keeps each thing as a file, or below a directory of its name."""
    if isinstance(service, Registry):
        return files.Files(
            f"{service.name} repositories",
            {"": place.directory / registry_service.REPOSITORIES},
            ("**/_manifests",),
        )
    return files.Files(
        f"{service.name} objects",
        {"": place.directory / "buckets"},
        ("*/**/*",),
        directories=False,
    )
