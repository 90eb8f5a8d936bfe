"""Where the image of a kernel comes from. Pure; part of `model`."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ImageSource:
    """Where the image of a kernel comes from; `secret` names the password."""

    url: str
    repository: str
    username: str
    secret: str | None
