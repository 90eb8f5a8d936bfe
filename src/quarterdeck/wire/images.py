"""Images on the wire: what sessions may be made of."""

from datetime import datetime

import msgspec


class ImageView(msgspec.Struct, frozen=True, kw_only=True):
    """An image."""

    name: str
    created_at: datetime
