"""The manager's database schema for a harness: what makes it, and a key that tells when a prepared copy is out of date."""

import hashlib
from pathlib import Path

from quarterdeck.manager import migrations

PREPARE = "quarterdeck.manager.migrations.schema:upgrade"
"""Brings an empty database to the newest schema; by name, because alembic takes seconds to import."""

_MIGRATIONS = Path(migrations.__file__).parent


def key() -> str:
    """Return a digest of all that makes the schema: equal keys, equal schemas."""
    digest = hashlib.sha256()
    for path in sorted(_MIGRATIONS.rglob("*")):
        if path.suffix in {".py", ".sql"}:
            digest.update(f"{path.relative_to(_MIGRATIONS)}\n".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()
