"""Moves a database's schema up and down by the revisions in `versions/` (alembic, imported by nothing that serves)."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

_HERE = Path(__file__).parent


def upgrade(database_url: str, revision: str = "head") -> None:
    """Bring the database at this URL up to the revision. Does nothing when it is there already."""
    command.upgrade(_config(database_url), revision)


def downgrade(database_url: str, revision: str) -> None:
    """Bring the database at this URL down to the revision; `base` is an empty database."""
    command.downgrade(_config(database_url), revision)


def heads() -> list[str]:
    """Return the newest revisions. More than one means that two branches were merged without care."""
    return ScriptDirectory.from_config(_config("")).get_heads()


def _config(database_url: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_HERE))
    config.attributes["database_url"] = database_url
    return config
