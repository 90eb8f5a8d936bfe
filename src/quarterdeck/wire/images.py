"""Images on the wire: what sessions may be made of, the registries that offer them, and how looking there goes."""

import enum
from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from quarterdeck.wire import limits, oci
from quarterdeck.wire.errors import Invalid

REPOSITORIES_MAX = 1000


class ImageVariant(msgspec.Struct, frozen=True, kw_only=True):
    """An image as it is for one architecture. `digest` is that of its manifest; minimums are for each kernel."""

    architecture: str
    digest: str
    size_bytes: int
    runtime: str
    cpu_min: int
    memory_mib_min: int
    labels: dict[str, str]


class ImageView(msgspec.Struct, frozen=True, kw_only=True):
    """An image. One that every agent has of its own has neither registry nor digest.

    `digest` is what its tag named when the registry was last looked at; one with `missing_since` is not offered any more.
    """

    name: str
    created_at: datetime
    registry: str | None = None
    repository: str | None = None
    tag: str | None = None
    digest: str | None = None
    updated_at: datetime | None = None
    missing_since: datetime | None = None
    variants: tuple[ImageVariant, ...] = ()


REPOSITORIES_MAX = 1000
"""Of one answer about a rescan: those with problems come first."""


class ImageQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which images to list: those that are offered; with `all` those that are missing, too. At most `pages.IMAGES_MAX`, by name, `after` one."""

    all: bool = False
    after: Annotated[str, Meta(max_length=512)] = ""


class RegistryCreate(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A registry to be known. Its images are named `name/repository:tag`.

    `secret` names the file with the password in the manager's directory of secrets. Without `repositories` its catalogue is asked.
    """

    name: limits.Name
    url: limits.Origin
    username: Annotated[str, Meta(min_length=1, max_length=255, pattern=r"^[^:\x00-\x1f]*\Z")] = (
        "anonymous"
    )
    secret: limits.Name | None = None
    repositories: Annotated[tuple[oci.Repository, ...], Meta(max_length=REPOSITORIES_MAX)] = ()

    def __post_init__(self) -> None:
        """Raise `Invalid` for a user without a password."""
        if self.username != "anonymous" and self.secret is None:
            raise Invalid("secret", f"{self.username!r} needs a password: name its secret")


class RegistryView(msgspec.Struct, frozen=True, kw_only=True):
    """A registry. The secret is told by its name only."""

    id: str
    name: str
    url: str
    username: str
    secret: str | None
    repositories: tuple[str, ...]
    created_at: datetime


class RescanStatus(enum.StrEnum):
    """Where a look at a registry is."""

    WAITING = "WAITING"
    RUNNING = "RUNNING"
    DONE = "DONE"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


RESCAN_LIVE = frozenset({RescanStatus.WAITING, RescanStatus.RUNNING})


class RepositoryResult(msgspec.Struct, frozen=True, kw_only=True):
    """What came of looking at a repository: tags that are images now, tags that went missing, and what could not be read and why."""

    repository: str
    images: int
    missing: int = 0
    problems: tuple[str, ...] = ()


class RescanView(msgspec.Struct, frozen=True, kw_only=True):
    """A look at a registry. `reason` says why it failed: then nothing was changed by what it did not come to."""

    id: str
    registry: str
    status: RescanStatus
    requested_at: datetime
    ended_at: datetime | None = None
    repositories_done: int = 0
    repositories_total: int | None = None
    reason: str | None = None
    results: tuple[RepositoryResult, ...] = ()


class PullProgress(msgspec.Struct, frozen=True):
    """How far the pull of an image has come; `layer` of `layers` is under way."""

    bytes_done: int
    bytes_total: int
    layer: int
    layers: int
