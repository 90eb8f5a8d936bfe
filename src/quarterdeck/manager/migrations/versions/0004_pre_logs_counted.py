"""A log tells how much was written in all. `pre`: runs before the managers that need it start; works with `quarterdeck.manager.migrations.sql`."""

from quarterdeck.manager.migrations import sql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the upgrade's SQL."""
    sql.run(__file__, "upgrade")


def downgrade() -> None:
    """Run the downgrade's SQL."""
    sql.run(__file__, "downgrade")
