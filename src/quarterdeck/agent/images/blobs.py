"""Content by digest on disk. What is here is whole and is what its digest says: it comes into its place by one rename, after the check.

Its methods block. Used by `store`.
"""

import hashlib
import os
from collections.abc import Container
from pathlib import Path

from quarterdeck.agent.images.errors import BlobCorrupt
from quarterdeck.agent.kernels.scratch import remove_tree

_PARTIAL = "partial"


class Blobs:
    """A directory of blobs. What an earlier agent left half is removed by `open`."""

    def __init__(self, root: Path) -> None:
        self._root = root

    @classmethod
    def open(cls, root: Path) -> "Blobs":
        """Open a directory, made if it is not there. Raises OSError."""
        remove_tree(root / _PARTIAL)
        for one in (root, root / _PARTIAL):
            one.mkdir(mode=0o700, parents=True, exist_ok=True)
        return cls(root)

    def path(self, digest: str) -> Path:
        """Return where a blob is, or will be."""
        return self._root / digest.removeprefix("sha256:")

    def has(self, digest: str) -> bool:
        """Tell whether a blob is here."""
        return self.path(digest).exists()

    def put(self, digest: str, data: bytes) -> None:
        """Keep content. Raises `BlobCorrupt`, OSError."""
        partial = self.begin(digest, len(data))
        try:
            partial.write(data)
            partial.finish()
        finally:
            partial.close()

    def begin(self, digest: str, size: int) -> "Partial":
        """Begin a blob that arrives in pieces. Raises OSError."""
        return Partial(digest, size, self._root / _PARTIAL, self.path(digest))

    def remove_all_but(self, kept: Container[str]) -> None:
        """Remove what nobody needs. Raises OSError."""
        for one in self._root.iterdir():
            if one.name != _PARTIAL and f"sha256:{one.name}" not in kept:
                one.unlink(missing_ok=True)


class Partial:
    """A blob on its way. `close` removes it, unless it has come to its place by `finish`."""

    def __init__(self, digest: str, size: int, directory: Path, target: Path) -> None:
        self._digest = digest
        self._left = size
        self._target = target
        self._path = directory / target.name
        self._file = self._path.open("wb")
        self._hash = hashlib.sha256()

    def write(self, piece: bytes) -> None:
        """Take a piece. Raises `BlobCorrupt` when more comes than was said, OSError."""
        self._left -= len(piece)
        if self._left < 0:
            raise BlobCorrupt(f"{self._digest}: the registry sent more than it said")
        self._hash.update(piece)
        self._file.write(piece)

    def finish(self) -> None:
        """Check it and put it in its place. Raises `BlobCorrupt`, OSError."""
        if self._left:
            raise BlobCorrupt(f"{self._digest}: {self._left} bytes of it did not come")
        found = f"sha256:{self._hash.hexdigest()}"
        if found != self._digest:
            raise BlobCorrupt(f"{self._digest}: what came is {found}")
        self._file.flush()
        os.fsync(self._file.fileno())
        self._path.replace(self._target)

    def close(self) -> None:
        """Close it, and remove what is not in its place."""
        self._file.close()
        self._path.unlink(missing_ok=True)
