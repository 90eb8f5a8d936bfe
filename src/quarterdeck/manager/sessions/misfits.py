"""Why a session that was asked for cannot be made of what there is, found out after the database has said no. Pure; used by `store`."""

from collections.abc import Mapping
from typing import Any

from quarterdeck.base.errors import QuarterdeckError
from quarterdeck.manager.sessions import errors
from quarterdeck.wire import sessions


def of_image(
    given: sessions.SessionCreate, image: Mapping[str, Any] | None
) -> QuarterdeckError | None:
    """Return why a session cannot be made of an image; None: it can."""
    if image is None:
        return errors.ImageNotFound(f"There is no image {given.image!r}", field="image")
    if image["missing_since"] is not None:
        return errors.ImageNotFound(
            f"{given.image} is not offered any more: its registry does not have it since {image['missing_since'][:19]}",
            field="image",
        )
    for name, least in (("cpu", image["cpu_min"]), ("memory_mib", image["memory_mib_min"])):
        asked = getattr(given.slots, name)
        if asked < least:
            return errors.SlotsBelowMinimum(
                f"{given.image} needs {name} of {least} at least, not {asked}",
                field=f"slots.{name}",
            )
    return None
