"""Where things are in etcd, the manager's registration, and the answer of every component's `/health`."""

import msgspec

PREFIX = "/quarterdeck/"
REDIS_URL = PREFIX + "config/redis/url"
STORAGE_HOSTS = PREFIX + "config/storage/hosts/"
NODES = PREFIX + "nodes/"
AGENTS = NODES + "agent/"
MANAGERS = NODES + "manager/"
STORAGE_PROXIES = NODES + "storage-proxy/"

LEASE_SECONDS = 5
"""How long a registration outlives its component."""


class ManagerRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A manager's registration in etcd."""

    id: str
    instance: str
    address: str


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of `/health`: `status` is "ok"; "degraded": it works, and `reason` says what is wrong; or "unavailable", with status 503."""

    status: str
    component: str
    id: str
    version: str
    time: float
    """Its time of day, in seconds since 1970: who compares it with another's sees their clocks drift apart."""
    reason: str | None = None


class Diagnostics(msgspec.Struct, frozen=True, kw_only=True):
    """What a manager holds right now: asyncio tasks, open streams of events, subscriptions to the database's notifications."""

    tasks: int
    streams: int
    subscriptions: int
