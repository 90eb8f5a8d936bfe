"""What an image is made of, read from what a registry says, with nothing believed. Pure; used by `store`."""

import hashlib
import platform
from collections.abc import Sequence
from typing import TypeVar

import msgspec

from quarterdeck.agent.images.errors import ArchitectureMissing, ImageUnusable
from quarterdeck.agent.kernels.spec import COMMAND, RUNTIMES
from quarterdeck.wire import decode, oci
from quarterdeck.wire.errors import Invalid
from quarterdeck.wire.oci import Descriptor, ImageConfig, Index, Manifest, Platform

BLOB_BYTES_MAX = 64 * 2**30

ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
"""This machine's, as images call it."""

RUNTIME_LABEL = "quarterdeck.runtime"

_COMPRESSIONS = {"tar": "none", "tar+gzip": "gzip", "tar.gzip": "gzip"}

_T = TypeVar("_T")


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """An image that is here: `chain` names the tree of its files, `blobs` what it was made of."""

    digest: oci.Digest
    chain: oci.Digest
    blobs: tuple[oci.Digest, ...]
    size_bytes: int
    config: ImageConfig


def manifest(data: bytes) -> Manifest | Index:
    """Read a manifest or an index, by what it holds: its media type may be told elsewhere. Raises `ImageUnusable`."""
    if len(data) > oci.MANIFEST_BYTES_MAX:
        raise ImageUnusable(f"The image's manifest is too long: {len(data)} bytes")
    kind = _read(_Kind, data, "manifest")
    if bytes(kind.manifests) not in {b"", b"null"}:
        return _read(Index, data, "index")
    found = _read(Manifest, data, "manifest")
    if not found.layers:
        raise ImageUnusable("The image has no layers")
    for blob in (found.config, *found.layers):
        if blob.size > (oci.CONFIG_BYTES_MAX if blob is found.config else BLOB_BYTES_MAX):
            raise ImageUnusable(f"A part of the image is too large: {blob.size} bytes")
    return found


def config(data: bytes, described: Manifest) -> ImageConfig:
    """Read the configuration of an image. Raises `ImageUnusable`, `ArchitectureMissing`."""
    found = _read(ImageConfig, data, "configuration")
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
        if one.platform and _fits(one.platform):
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


def _fits(platform_: Platform) -> bool:
    return (platform_.os, platform_.architecture) == ("linux", ARCHITECTURE)


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


def runtime(config_: ImageConfig) -> str:
    """Return what runs in an image, by its label. Raises `ImageUnusable`."""
    found = config_.labels.get(RUNTIME_LABEL, COMMAND)
    if found not in RUNTIMES:
        raise ImageUnusable(
            f"The image's label {RUNTIME_LABEL} is {found[:40]!r}, not {', '.join(RUNTIMES)}"
        )
    return found


def environment(config_: ImageConfig) -> dict[str, str]:
    """Return the variables that an image sets."""
    pairs = (config_.config.env if config_.config else None) or ()
    split = [pair.partition("=") for pair in pairs]
    return {name: value for name, equals, value in split if name and equals}


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
    try:
        return decode.decode(type_, data)
    except Invalid as error:
        at = f" at {error.field}" if error.field else ""
        raise ImageUnusable(f"The image's {what} is not understood{at}: {error}") from error
