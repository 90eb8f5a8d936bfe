"""Images in PostgreSQL; the SQL is in `queries.sql`."""

from collections.abc import Sequence

from quarterdeck.infra import postgres, queries
from quarterdeck.wire import images

_SQL = queries.load(__package__)


class ImageStore:
    """The port `Images` on a database."""

    def __init__(self, database: postgres.Database) -> None:
        self._database = database

    async def list(self) -> Sequence[images.ImageView]:
        """Return all images by name."""
        rows = await self._database.fetch(_SQL["list_images"])
        return [images.ImageView(name=row["name"], created_at=row["created_at"]) for row in rows]
