"""Runs statements from `queries.sql` within a transaction; the stores use it with a connection of `quarterdeck.infra.postgres`."""

from collections.abc import Mapping
from typing import Any

from quarterdeck.infra import postgres

Row = dict[str, Any]


async def fetch(
    connection: postgres.Connection, sql: str, parameters: Mapping[str, Any]
) -> list[Row]:
    """Run a statement and return its rows."""
    cursor = await connection.execute(sql.encode(), parameters)
    return await cursor.fetchall()


async def fetch_one(
    connection: postgres.Connection, sql: str, parameters: Mapping[str, Any]
) -> Row | None:
    """Run a statement and return its first row."""
    cursor = await connection.execute(sql.encode(), parameters)
    return await cursor.fetchone()


async def execute(connection: postgres.Connection, sql: str, parameters: Mapping[str, Any]) -> int:
    """Run a statement and return the number of rows it touched."""
    cursor = await connection.execute(sql.encode(), parameters)
    return cursor.rowcount
