"""What an image is made of, read from what a registry says, with nothing believed. Pure; used by `store`."""

import hashlib
import platform
from collections.abc import Sequence
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta

from quarterdeck.agent.images.errors import ArchitectureMissing, ImageUnusable
from quarterdeck.wire import decode, limits
from quarterdeck.wire.errors import Invalid

MANIFEST_BYTES_MAX = 4 * 2**20
LAYERS_MAX = 127
BLOB_BYTES_MAX = 64 * 2**30
MANIFESTS_MAX = 1000

ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
"""This machine's, as images call it."""

_COMPRESSIONS = {"tar": "none", "tar+gzip": "gzip", "tar.gzip": "gzip"}

_T = TypeVar("_T")


class Platform(msgspec.Struct, frozen=True):
    """What a manifest in an index is for."""

    architecture: str
    os: str


class Descriptor(msgspec.Struct, frozen=True, rename="camel"):
    """Content that a manifest names."""

    media_type: str
    digest: limits.Digest
    size: Annotated[int, Meta(ge=0, le=BLOB_BYTES_MAX)]
    platform: Platform | None = None


class Manifest(msgspec.Struct, frozen=True):
    """An image for one architecture."""

    config: Descriptor
    layers: Annotated[tuple[Descriptor, ...], Meta(max_length=LAYERS_MAX)]


class Index(msgspec.Struct, frozen=True):
    """The same image for several architectures."""

    manifests: Annotated[tuple[Descriptor, ...], Meta(max_length=MANIFESTS_MAX)]


class Process(msgspec.Struct, frozen=True, rename="pascal"):
    """What an image says about the process in it."""

    env: tuple[str, ...] | None = None
    entrypoint: tuple[str, ...] | None = None
    cmd: tuple[str, ...] | None = None
    working_dir: str | None = None
    labels: dict[str, str] | None = None


class RootFs(msgspec.Struct, frozen=True):
    """The digests of the layers as they are when decompressed."""

    diff_ids: tuple[limits.Digest, ...]


class Config(msgspec.Struct, frozen=True):
    """An image's configuration."""

    architecture: str
    os: str
    rootfs: RootFs
    config: Process | None = None

    @property
    def process(self) -> Process:
        """What it says about the process."""
        return self.config or Process()


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """An image that is here: `chain` names the tree of its files, `blobs` what it was made of."""

    digest: limits.Digest
    chain: limits.Digest
    blobs: tuple[limits.Digest, ...]
    size_bytes: int
    config: Config


def manifest(data: bytes) -> Manifest | Index:
    """Read a manifest or an index. Raises `ImageUnusable`."""
    kind = _read(_Kind, data, "manifest")
    if bytes(kind.manifests) not in {b"", b"null"}:
        return _read(Index, data, "index")
    found = _read(Manifest, data, "manifest")
    if not found.layers:
        raise ImageUnusable("The image has no layers")
    return found


def config(data: bytes, described: Manifest) -> Config:
    """Read the configuration of an image. Raises `ImageUnusable`, `ArchitectureMissing`."""
    found = _read(Config, data, "configuration")
    if len(found.rootfs.diff_ids) != len(described.layers):
        raise ImageUnusable(
            f"The image has {len(described.layers)} layers and speaks of {len(found.rootfs.diff_ids)}"
        )
    if (found.os, found.architecture) != ("linux", ARCHITECTURE):
        raise ArchitectureMissing(
            f"The image is for {found.os}/{found.architecture}, this agent is linux/{ARCHITECTURE}"
        )
    return found


def choose(index: Index) -> Descriptor:
    """Return the manifest for this machine. Raises `ArchitectureMissing`."""
    for one in index.manifests:
        if one.platform == Platform(ARCHITECTURE, "linux"):
            return one
    there = sorted(
        {
            f"{one.platform.os}/{one.platform.architecture}"
            for one in index.manifests
            if one.platform
        }
    )
    raise ArchitectureMissing(
        f"The image is there for {', '.join(there) or 'nothing that it names'}, not for linux/{ARCHITECTURE}"
    )


def compression(layer: Descriptor) -> str:
    """Return how a layer is compressed: `gzip` or `none`. Raises `ImageUnusable`."""
    _, _, kind = layer.media_type.rpartition("layer.v1.")
    if layer.media_type.endswith("rootfs.diff.tar.gzip"):
        kind = "tar.gzip"
    if kind not in _COMPRESSIONS:
        raise ImageUnusable(
            f"A layer is of a kind that this agent cannot read: {layer.media_type}"
        )
    return _COMPRESSIONS[kind]


def chain(diff_ids: Sequence[str]) -> tuple[str, ...]:
    """Return for each layer the name of what it makes together with all below it."""
    names: list[str] = []
    for one in diff_ids:
        both = f"{names[-1]} {one}" if names else one
        names.append(f"sha256:{hashlib.sha256(both.encode()).hexdigest()}" if names else one)
    return tuple(names)


class _Kind(msgspec.Struct, frozen=True):
    manifests: msgspec.Raw = msgspec.Raw()


def _read(type_: type[_T], data: bytes, what: str) -> _T:
    if len(data) > MANIFEST_BYTES_MAX:
        raise ImageUnusable(f"The image's {what} is too long: {len(data)} bytes")
    try:
        return decode.decode(type_, data)
    except Invalid as error:
        at = f" at {error.field}" if error.field else ""
        raise ImageUnusable(f"The image's {what} is not understood{at}: {error}") from error
