"""What must be true before a manager works: the schema is the one it knows, and etcd names the Redis to use; and what it needs to go on."""

import asyncio
from collections.abc import Awaitable, Callable

from quarterdeck.infra import etcd, postgres, queries
from quarterdeck.infra.errors import Unavailable
from quarterdeck.manager import errors
from quarterdeck.manager.migrations import head
from quarterdeck.wire import nodes

ETCD_SECONDS_MAX = 10.0
CHECK_SECONDS_MAX = 1.0

Ask = Callable[[], Awaitable[object]]

_SQL = queries.load(__package__)


async def require_schema(database: postgres.Database) -> None:
    """Raise `SchemaNotCurrent` unless the database is at the revision of this manager."""
    migrated = await database.fetch_one(_SQL["migrated"])
    found = (
        await database.fetch_one(_SQL["revision"]) if migrated and migrated["migrated"] else None
    )
    revision = "empty" if found is None else f"at revision {found['revision']}"
    if found is None or found["revision"] != head.HEAD:
        raise errors.SchemaNotCurrent(
            f"The database is {revision}; this manager needs {head.HEAD}. "
            "Run `python -m quarterdeck.manager.migrations upgrade` first"
        )


async def redis_url(client: etcd.Etcd) -> str:
    """Return the URL of the cluster's Redis. Raises `NotConfigured`, `EtcdUnavailable`, TimeoutError."""
    async with asyncio.timeout(ETCD_SECONDS_MAX):
        found = await client.get(nodes.REDIS_URL)
    if found is None:
        raise errors.NotConfigured(f"etcd has no {nodes.REDIS_URL}")
    return found.value.decode()


def check(database: Ask, redis: Ask, registry: Ask) -> Callable[[], Awaitable[str | None]]:
    """Return the check behind `/health`: None, or which service does not answer."""

    async def checked() -> str | None:
        for name, ask in (("the database", database), ("Redis", redis), ("etcd", registry)):
            try:
                async with asyncio.timeout(CHECK_SECONDS_MAX):
                    await ask()
            except (TimeoutError, Unavailable):
                return f"{name} does not answer"
        return None

    return checked
