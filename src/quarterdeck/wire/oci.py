"""What registries and agents tell of images, as the OCI image specification has it: digests, descriptors, manifests, indexes, configurations.

Docker's own formats, version 2, differ in their media types only. Read tolerantly: others wrote it.
"""

import hashlib
import re
from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from quarterdeck.wire import decode, limits
from quarterdeck.wire.errors import Invalid

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"

INDEX_TYPES = frozenset({OCI_INDEX, DOCKER_INDEX})
MANIFEST_TYPES = frozenset({OCI_MANIFEST, DOCKER_MANIFEST})

MANIFEST_BYTES_MAX = 4 * 1024 * 1024
CONFIG_BYTES_MAX = 8 * 1024 * 1024
LAYERS_MAX = 512
MANIFESTS_MAX = 512
LABELS_MAX = 1024
REPOSITORY_CHARACTERS_MAX = 200

UNKNOWN = "unknown"
"""Architecture of what builders add to an index beside the images, such as attestations."""

_REPOSITORY = r"^[a-z0-9]+([._-]+[a-z0-9]+)*(/[a-z0-9]+([._-]+[a-z0-9]+)*)*\Z"
_TAG = r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}\Z"

Repository = Annotated[str, Meta(pattern=_REPOSITORY, max_length=REPOSITORY_CHARACTERS_MAX)]
Tag = Annotated[str, Meta(pattern=_TAG)]
Digest = limits.Digest


class Platform(msgspec.Struct, frozen=True):
    """What machine an image is for."""

    architecture: str
    os: str = "linux"
    variant: str = ""


class Descriptor(msgspec.Struct, frozen=True, rename="camel"):
    """Something that a registry holds: its digest and its size in bytes."""

    media_type: str
    digest: Digest
    size: Annotated[int, Meta(ge=0, le=2**50)]
    platform: Platform | None = None
    annotations: dict[str, str] | None = None


class Manifest(msgspec.Struct, frozen=True, rename="camel"):
    """One image: its configuration and its layers, the lowest first."""

    config: Descriptor
    layers: Annotated[tuple[Descriptor, ...], Meta(max_length=LAYERS_MAX)]

    @property
    def size(self) -> int:
        """Bytes of all that must be transferred."""
        return self.config.size + sum(layer.size for layer in self.layers)


class Index(msgspec.Struct, frozen=True, rename="camel"):
    """Images of the same thing for several machines."""

    manifests: Annotated[tuple[Descriptor, ...], Meta(max_length=MANIFESTS_MAX)]


class ContainerConfig(msgspec.Struct, frozen=True, rename="pascal"):
    """What is run, and how."""

    user: str = ""
    env: tuple[str, ...] | None = None
    entrypoint: tuple[str, ...] | None = None
    cmd: tuple[str, ...] | None = None
    working_dir: str = ""
    labels: dict[str, str] | None = None


class RootFilesystem(msgspec.Struct, frozen=True):
    """Digests of the layers when they are not compressed, the lowest first."""

    diff_ids: tuple[Digest, ...] = ()


class ImageConfig(msgspec.Struct, frozen=True):
    """The configuration of an image."""

    architecture: str
    os: str = "linux"
    variant: str = ""
    created: datetime | None = None
    config: ContainerConfig | None = None
    rootfs: RootFilesystem = RootFilesystem()

    @property
    def labels(self) -> dict[str, str]:
        """What its builder wrote on it."""
        return (self.config.labels if self.config else None) or {}


class _Typed(msgspec.Struct, frozen=True, rename="camel"):
    media_type: str = ""


def is_repository(name: str) -> bool:
    """Tell whether a repository may have this name."""
    return len(name) <= REPOSITORY_CHARACTERS_MAX and re.match(_REPOSITORY, name) is not None


def is_tag(name: str) -> bool:
    """Tell whether a tag may have this name."""
    return re.match(_TAG, name) is not None


def digest(data: bytes) -> str:
    """Return the digest of some content."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def media_type(body: bytes, told: str = "") -> str:
    """Return the media type of a manifest: its own word, else what came with it. Raises `Invalid`."""
    return decode.decode(_Typed, body).media_type or told.partition(";")[0].strip()


def parse(body: bytes, told: str = "") -> Manifest | Index:
    """Read a manifest or an index. Raises `Invalid` for what is neither."""
    kind = media_type(body, told)
    if kind in INDEX_TYPES:
        return decode.decode(Index, body)
    if kind in MANIFEST_TYPES:
        return decode.decode(Manifest, body)
    raise Invalid("mediaType", f"{kind[:80] or 'nothing'!r} is no manifest that is known here")
