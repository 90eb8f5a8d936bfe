"""Layers of container images made in code: files, links, whiteouts, and whatever else a hostile layer may hold. Used by `image_layouts`."""

import gzip
import hashlib
import io
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

GZIPPED = "application/vnd.oci.image.layer.v1.tar+gzip"
PLAIN = "application/vnd.oci.image.layer.v1.tar"


def digest(data: bytes) -> str:
    """Return the digest by which content is known."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


class Layer:
    """A tar archive that grows. Each method returns the layer."""

    def __init__(self, *, gzipped: bool = False) -> None:
        self.media_type = GZIPPED if gzipped else PLAIN
        self._buffer = io.BytesIO()
        self._tar = tarfile.open(fileobj=self._buffer, mode="w", format=tarfile.PAX_FORMAT)  # noqa: SIM115 - lives as long as the layer

    def entry(self, info: tarfile.TarInfo, data: bytes = b"") -> "Layer":
        """Add an entry as it is given."""
        info.size = info.size or len(data)
        self._tar.addfile(info, io.BytesIO(data))
        return self

    def file(self, path: str, data: bytes | str = b"", *, mode: int = 0o644) -> "Layer":
        """Add a file."""
        info = tarfile.TarInfo(path)
        info.mode = mode
        return self.entry(info, data.encode() if isinstance(data, str) else data)

    def directory(self, path: str, *, mode: int = 0o755) -> "Layer":
        """Add a directory."""
        return self.entry(_info(path, tarfile.DIRTYPE, mode=mode))

    def symlink(self, path: str, target: str) -> "Layer":
        """Add a symbolic link."""
        return self.entry(_info(path, tarfile.SYMTYPE, target=target))

    def hard_link(self, path: str, target: str) -> "Layer":
        """Add another name for a file of this or a lower layer."""
        return self.entry(_info(path, tarfile.LNKTYPE, target=target))

    def device(self, path: str, *, major: int = 1, minor: int = 3) -> "Layer":
        """Add a character device."""
        info = _info(path, tarfile.CHRTYPE)
        info.devmajor, info.devminor = major, minor
        return self.entry(info)

    def whiteout(self, path: str) -> "Layer":
        """Take away what a lower layer has at a path."""
        directory, name = os.path.split(path)
        return self.file(os.path.join(directory, f".wh.{name}"))  # noqa: PTH118 - a name in an archive

    def opaque(self, path: str) -> "Layer":
        """Hide what lower layers have in a directory."""
        return self.file(f"{path}/.wh..wh..opq")

    def copy(self, source: Path, path: str, *, keep: Callable[[Path], bool] = bool) -> "Layer":
        """Add a file or a tree of this machine at a path, as root's. `keep` tells which files."""

        def owned(info: tarfile.TarInfo) -> tarfile.TarInfo | None:
            inside = source / os.path.relpath(info.name, path)
            info.uid = info.gid = 0
            info.uname = info.gname = ""
            return info if keep(inside) else None

        self._tar.add(source, path, filter=owned)
        return self

    def diff(self) -> bytes:
        """Return the archive as it is."""
        self._tar.close()
        return self._buffer.getvalue()

    def blob(self) -> bytes:
        """Return the archive as a registry keeps it."""
        return (
            gzip.compress(self.diff(), 1, mtime=0) if self.media_type == GZIPPED else self.diff()
        )


def _info(path: str, kind: bytes, *, mode: int = 0o755, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(path)
    info.type, info.mode, info.linkname = kind, mode, target
    return info
