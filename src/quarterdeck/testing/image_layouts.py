"""Container images made in code, and OCI layouts that hold them: what `skopeo copy oci:…` pushes, and what a fake registry serves.

What is worth running in an image is in `image_contents`.
"""

import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from quarterdeck.testing.image_layers import Layer, digest

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
"""This machine's, as images call it."""

Descriptor = dict[str, Any]


@dataclass(frozen=True)
class Image:
    """An image to be made. `config` is what the image says about its process: `Env`, `Cmd`, `WorkingDir`, …"""

    layers: Sequence[Layer]
    labels: Mapping[str, str] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
    architecture: str = ARCHITECTURE


@dataclass
class Layout:
    """Content by digest, and tags. `write` makes a directory of it."""

    blobs: dict[str, bytes] = field(default_factory=dict)
    media_types: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)

    def add(self, image: Image, tag: str | None = None) -> str:
        """Add an image and return the digest of its manifest."""
        layers = [(layer.media_type, layer.diff(), layer.blob()) for layer in image.layers]
        config = {
            "architecture": image.architecture,
            "os": "linux",
            "config": {**image.config, "Labels": dict(image.labels)},
            "rootfs": {"type": "layers", "diff_ids": [digest(diff) for _, diff, _ in layers]},
        }
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": self._blob(CONFIG, _json(config)),
            "layers": [self._blob(kind, blob) for kind, _, blob in layers],
        }
        return self._tagged(self._blob(MANIFEST, _json(manifest))["digest"], tag)

    def add_index(self, images: Sequence[Image], tag: str | None = None) -> str:
        """Add an index of images for several architectures and return its digest."""
        manifests = [
            self.descriptor(self.add(image))
            | {"platform": {"os": "linux", "architecture": image.architecture}}
            for image in images
        ]
        index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests}
        return self._tagged(self._blob(INDEX, _json(index))["digest"], tag)

    def descriptor(self, digest_: str) -> Descriptor:
        """Describe content as manifests do."""
        return {
            "mediaType": self.media_types[digest_],
            "digest": digest_,
            "size": len(self.blobs[digest_]),
        }

    def manifest(self, digest_: str) -> dict[str, Any]:
        """Return a manifest or an index, parsed."""
        found: dict[str, Any] = json.loads(self.blobs[digest_])
        return found

    def write(self, directory: Path) -> Path:
        """Write an OCI layout directory and return it."""
        blobs = directory / "blobs" / "sha256"
        blobs.mkdir(parents=True)
        for name, data in self.blobs.items():
            (blobs / name.removeprefix("sha256:")).write_bytes(data)
        index = {
            "schemaVersion": 2,
            "manifests": [
                self.descriptor(digest_)
                | {"annotations": {"org.opencontainers.image.ref.name": tag}}
                for tag, digest_ in self.tags.items()
            ],
        }
        (directory / "index.json").write_bytes(_json(index))
        (directory / "oci-layout").write_bytes(_json({"imageLayoutVersion": "1.0.0"}))
        return directory

    def _blob(self, media_type: str, data: bytes) -> Descriptor:
        name = digest(data)
        self.blobs[name], self.media_types[name] = data, media_type
        return self.descriptor(name)

    def _tagged(self, digest_: str, tag: str | None) -> str:
        if tag is not None:
            self.tags[tag] = digest_
        return digest_


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True).encode()
