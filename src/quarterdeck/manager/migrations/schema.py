"""Moves a database's schema up and down by the revisions in `versions/` (alembic, imported by nothing that serves)."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy.exc import OperationalError

from quarterdeck.manager import errors

LOCK_SECONDS_MAX = 5
"""A change waits for a table so long at most: all that managers want of that table waits behind it, 10 s and no longer."""

_HERE = Path(__file__).parent
_LOCK_NOT_AVAILABLE = "55P03"


def upgrade(database_url: str, revision: str = "head") -> None:
    """Bring the database at this URL up to the revision. Does nothing when it is there already. Raises `SchemaInUse`."""
    with _changing():
        command.upgrade(_config(database_url), revision)


def downgrade(database_url: str, revision: str) -> None:
    """Bring the database at this URL down to the revision; `base` is an empty database. Raises `SchemaInUse`."""
    with _changing():
        command.downgrade(_config(database_url), revision)


def heads() -> list[str]:
    """Return the newest revisions. More than one means that two branches were merged without care."""
    return ScriptDirectory.from_config(_config("")).get_heads()


def _config(database_url: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_HERE))
    config.attributes["database_url"] = database_url
    config.attributes["lock_timeout"] = f"{LOCK_SECONDS_MAX}s"
    return config


@contextlib.contextmanager
def _changing() -> Iterator[None]:
    try:
        yield
    except OperationalError as error:
        if getattr(error.orig, "sqlstate", None) != _LOCK_NOT_AVAILABLE:
            raise
        raise errors.SchemaInUse from error
