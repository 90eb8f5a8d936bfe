"""What the catalogue of images needs of the world: its store."""

from collections.abc import Sequence
from typing import Protocol

from quarterdeck.wire import images


class Images(Protocol):
    """The images that sessions may be made of."""

    async def list(self) -> Sequence[images.ImageView]:
        """Return all images by name."""
        ...
