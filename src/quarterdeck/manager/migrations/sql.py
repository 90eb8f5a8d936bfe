"""Runs the plain SQL that lies beside a revision: `0001_pre_initial.py` has `….upgrade.sql` and `….downgrade.sql`."""

from pathlib import Path
from typing import Literal

from alembic import op


def run(revision_file: str, direction: Literal["upgrade", "downgrade"]) -> None:
    """Execute the SQL file of this direction, many statements at once and without placeholders."""
    script = Path(revision_file).with_suffix(f".{direction}.sql").read_text("utf-8")
    op.get_bind().execution_options(no_parameters=True).exec_driver_sql(script)
