"""The revision that this manager needs; a test holds it equal to alembic's head. Kept apart so that serving imports no alembic."""

HEAD = "0004"
