"""Alembic's entry: runs the wanted revisions on the database of the configuration, alone, in one transaction."""

import sqlalchemy
from alembic import context

MIGRATION_LOCK = 0x5144_0001
"""Advisory lock held by whoever changes the schema: two upgrades at once do the work once."""


def _run() -> None:
    url = sqlalchemy.make_url(context.config.attributes["database_url"])
    engine = sqlalchemy.create_engine(
        url.set(drivername="postgresql+psycopg"), poolclass=sqlalchemy.NullPool
    )
    with engine.begin() as connection:
        connection.execute(
            sqlalchemy.text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": MIGRATION_LOCK}
        )
        connection.execute(
            sqlalchemy.text("SELECT set_config('lock_timeout', :limit, true)"),
            {"limit": context.config.attributes["lock_timeout"]},
        )
        context.configure(connection=connection, transactional_ddl=True)
        context.run_migrations()


_run()
