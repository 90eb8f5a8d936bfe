"""Quarterdeck as Shakeout sees it: services, components, who calls whom, what the warm process imports.

`system` is for tests and for `shakeout up quarterdeck.testing.system:system`; `describe` makes variants.
"""

import dataclasses
import json
from collections.abc import Callable, Mapping
from types import MappingProxyType

from quarterdeck.testing import schema
from quarterdeck.testing.invariants import Invariants
from quarterdeck.testing.keys import Keys
from quarterdeck.testing.layout import (
    ARCHIVE_BUCKET,
    ARCHIVE_HOST,
    DATABASE,
    LOCAL_HOST,
    SCRATCH_DIRECTORY,
    SECRETS_DIRECTORY,
    TREES_DIRECTORY,
    WAITING_DIRECTORY,
)
from quarterdeck.wire import events, nodes
from shakeout import settings
from shakeout.checks.files import Below
from shakeout.checks.leaks import Expected
from shakeout.services.etcd import Etcd
from shakeout.services.postgres import Postgres
from shakeout.services.postgres_data import Database
from shakeout.services.redis import Redis
from shakeout.services.registry import Access, Registry
from shakeout.services.s3 import S3
from shakeout.system import secret
from shakeout.system.cluster import Cluster
from shakeout.system.model import Component, HttpReady, System
from shakeout.system.place import Place, Reachable

AGENT_CPU = 8
AGENT_MEMORY_MIB = 8192
ORPHAN_SECONDS = 12
"""Of kernels without an agent: longer than a lease, and than a restart takes on a busy machine."""

LOG_LEVEL = "info"

RUN_MARK = "SHAKEOUT_RUN"
"""The variable that each process of a run carries: kernels pass it on, so that what they leave behind is found."""

_STORE = S3("s3", buckets=(ARCHIVE_BUCKET,), optional=True)
_REGISTRIES = (
    Registry("registry", access=Access.PASSWORD, optional=True),
    Registry("ticketed", access=Access.TOKEN, optional=True),
)
_READY = HttpReady("http", "/health")

_TREES = ("trees/*", "trees/*/staging/*", "trees/*/uploads/*.data", "removed/*")
PRELOAD = (
    "quarterdeck.manager.app",
    "quarterdeck.manager.__main__",
    "quarterdeck.agent.app",
    "quarterdeck.agent.__main__",
    "quarterdeck.storage_proxy.app",
    "quarterdeck.storage_proxy.__main__",
)

WAITING_KERNELS = tuple(
    f"{owner}: *.kernels.zygote * {what} #[1-{most}]"
    for owner in ("agent*", "this test process")
    for what, most in (("idle", 5), ("zygote", 7))
)
"""Zygotes keep four processes ready to become kernels, and make them up behind the kernels that they give: few, never more.

A test process has zygotes, too, where it has kernels without an agent.
"""

CONTAINERS_ZYGOTE = tuple(
    f"{owner}: {what}"
    for owner in ("agent*", "this test process")
    for what in (
        "*.kernels.oci.server *#[1-9]",
        "*.kernels.oci.server *#[12][0-9]",
        "python3 *entry.py waiting #[1-8]",
        "python3 -s * pycache_prefix=* #[1-8]",
        "/bin/sh -c echo >&0; read * #[1-8]",
        f"*runc --root *{WAITING_DIRECTORY}/* #[1-4]",
        "*runc init #[1-4]",
    )
)
"""The zygote of containers, with its supervisor and what it keeps ready, starts with the first container and stays.

A few containers wait to be kernels of images that were used, each with two processes of that zygote; runc makes them up behind those that are given.
Those that have become kernels look alike, and are judged as such, by the mark of kernels.
"""


def describe(keys: Keys) -> System:
    """Return the system with these secrets."""
    return System(
        name="quarterdeck",
        services=(
            Postgres(databases=(Database(DATABASE, prepare=schema.PREPARE, key=schema.key),)),
            Redis(),
            Etcd(seed=_seed),
            _STORE,
            *_REGISTRIES,
        ),
        components=_components(keys),
        preload=PRELOAD,
        leaks=(
            Invariants,
            Below("agent", (f"{SCRATCH_DIRECTORY}/[!.]*",)),
            Below("storage-proxy", tuple(f"{TREES_DIRECTORY}/{each}" for each in _TREES)),
            Expected("processes", (*WAITING_KERNELS, *CONTAINERS_ZYGOTE)),
            Expected("redis keys", (events.STREAM,)),
            Expected("etcd keys", (f"{nodes.PREFIX}nodes/*",)),
        ),
        tenant="quarterdeck.testing.tenancy:tenant",
        hints=_hints(keys),
    )


def part(whole: System, component: str) -> System:
    """Return one component with the services that it calls, for tests of it alone; nothing judges the platform then."""
    (only,) = (each for each in whole.components if each.name == component)
    services = {each.name for each in whole.services}
    edges = tuple(edge for edge in only.edges if edge in services)
    return dataclasses.replace(
        whole,
        name=component,
        services=tuple(each for each in whole.services if each.name in {*edges, "redis"}),
        components=(dataclasses.replace(only, edges=edges),),
        preload=tuple(each for each in whole.preload if only.call.split(".")[1] in each),
        leaks=tuple(each for each in whole.leaks if _concerns(each, component)),
        tenant="",
        hints=None,
    )


def with_dummies(whole: System, plans: Mapping[str, str] = MappingProxyType({})) -> System:
    """Return the system with agents whose kernels are dummies; `plans` by agent, see `quarterdeck.agent.kernels.dummy`.

    Nothing of a kernel is on the machine then, and nobody looks for it.
    """

    def dummy(agent: str) -> Mapping[str, str]:
        return {"QD_KERNELS": "dummy", "QD_DUMMY": plans.get(agent, "{}")}

    def component(one: Component) -> Component:
        if one.name != "agent":
            return one
        return dataclasses.replace(
            one, environment=lambda place: {**one.environment(place), **dummy(place.name)}
        )

    return dataclasses.replace(
        whole,
        name=f"{whole.name}-dummies",
        components=tuple(component(one) for one in whole.components),
        leaks=tuple(without_kernels if each is Invariants else each for each in whole.leaks),
    )


def without_kernels(cluster: Cluster) -> Invariants:
    """Return the probe for a cluster whose kernels are no processes."""
    return Invariants(cluster, kernels_show=False)


def _concerns(leak: object, component: str) -> bool:
    return isinstance(leak, Expected) or (isinstance(leak, Below) and leak.kind == component)


def _components(keys: Keys) -> tuple[Component, ...]:
    return (
        Component(
            "manager",
            call="quarterdeck.manager.__main__:main",
            environment=_manager(keys),
            edges=("postgres", "redis", "etcd", "registry", "agent.http", "storage-proxy.http"),
            sockets=("http",),
            clock=True,
            ready=_READY,
        ),
        Component(
            "agent",
            call="quarterdeck.agent.__main__:main",
            environment=_agent(keys),
            edges=("redis", "etcd", "registry"),
            sockets=("http",),
            disk=SCRATCH_DIRECTORY,
            clock=True,
            ready=_READY,
        ),
        Component(
            "storage-proxy",
            call="quarterdeck.storage_proxy.__main__:main",
            environment=_storage_proxy(keys),
            edges=("etcd", "s3"),
            sockets=("http",),
            disk=TREES_DIRECTORY,
            clock=True,
            ready=_READY,
        ),
    )


def _seed(place: Place) -> Mapping[str, str]:
    """Return what etcd holds before anybody starts."""
    return {nodes.REDIS_URL: place.address("redis")}


def _common(place: Place) -> dict[str, str]:
    return {
        "QD_ID": place.name,
        "QD_LISTEN": "fd:3",
        "QD_ADVERTISE": place.address(f"{place.name}.http"),
        "QD_ETCD_URL": place.address("etcd"),
        "QD_LOG_LEVEL": LOG_LEVEL,
    }


def _manager(keys: Keys) -> Callable[[Place], Mapping[str, str]]:
    def environment(place: Place) -> Mapping[str, str]:
        return _common(place) | {
            "QD_DATABASE_URL": place.address("postgres"),
            "QD_MASTER_KEY": keys.master,
            "QD_AGENT_SECRET": keys.agent,
            "QD_STORAGE_SECRET": keys.storage,
            "QD_STORAGE_TOKEN_KEY": keys.token,
            "QD_ADMIN_ACCESS_KEY": keys.admin_access_key,
            "QD_SECRETS": str(place.directory / SECRETS_DIRECTORY),
        }

    return environment


def _agent(keys: Keys) -> Callable[[Place], Mapping[str, str]]:
    def environment(place: Place) -> Mapping[str, str]:
        return _common(place) | {
            "QD_AGENT_SECRET": keys.agent,
            "QD_SCRATCH": str(place.directory / SCRATCH_DIRECTORY),
            "QD_CPU": str(AGENT_CPU),
            "QD_MEMORY_MIB": str(AGENT_MEMORY_MIB),
            "QD_KERNEL_MARKS": RUN_MARK,
            "QD_ORPHAN_SECONDS": str(ORPHAN_SECONDS),
        }

    return environment


def _storage_proxy(keys: Keys) -> Callable[[Place], Mapping[str, str]]:
    def environment(place: Place) -> Mapping[str, str]:
        volumes = {
            LOCAL_HOST: {"kind": "local", "path": str(place.directory / TREES_DIRECTORY)},
            ARCHIVE_HOST: {
                "kind": "s3",
                "endpoint": place.address("s3"),
                "bucket": ARCHIVE_BUCKET,
                "access_key": _STORE.access_key,
                "secret_key": _STORE.secret_key,
            },
        }
        return _common(place) | {
            "QD_STORAGE_SECRET": keys.storage,
            "QD_STORAGE_TOKEN_KEY": keys.token,
            "QD_VOLUMES": json.dumps(volumes),
        }

    return environment


def _hints(keys: Keys) -> Callable[[Reachable], Mapping[str, str]]:
    def hints(cluster: Reachable) -> Mapping[str, str]:
        return {
            "QD_URL": cluster.address("manager.http"),
            "QD_ACCESS_KEY": keys.admin_access_key,
            "QD_SECRET_KEY": keys.admin_secret_key,
        }

    return hints


keys = Keys(secret.of_user(settings.read().home))
system = describe(keys)
dummies = with_dummies(system)
"""A session's behaviour is in its environment variable `QD_DUMMY`."""
uneven = with_dummies(
    system,
    {
        "agent-1": '{"behaviours": {"slow": {"share": 1, "create_ms": 300}}}',
        "agent-2": '{"behaviours": {"broken": {"share": 1, "create_fails": "mount-failed"}}}',
    },
)
"""The first of two agents is slow, the second can make no kernel."""
