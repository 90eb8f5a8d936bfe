"""Which images are here, each as a file that comes and goes at once: without it the tree and the blobs are rubbish. Used by `store`.

The time of a file is when the image was used last. Its methods block.
"""

import logging
import os
from collections.abc import Iterator
from pathlib import Path

from quarterdeck.agent.images.model import Record
from quarterdeck.base.clock import Clock
from quarterdeck.wire import decode
from quarterdeck.wire.errors import Invalid

_HALF = ".half"

_log = logging.getLogger(__name__)


class Records:
    """The images in a directory, in the order of their last use."""

    def __init__(self, root: Path, clock: Clock) -> None:
        self._root = root
        self._clock = clock
        self._by_digest: dict[str, Record] = {}

    @classmethod
    def open(cls, root: Path, clock: Clock) -> "Records":
        """Read a directory, made if it is not there; what cannot be read is removed. Raises OSError."""
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        records = cls(root, clock)
        for half in root.glob(f"*{_HALF}"):
            half.unlink()
        for path in sorted(root.iterdir(), key=lambda one: one.stat().st_mtime_ns):
            try:
                record = decode.decode(Record, path.read_bytes())
            except Invalid:
                _log.warning("image-record-removed", extra={"image": path.name})
                path.unlink()
            else:
                records._by_digest[record.digest] = record
        return records

    def __iter__(self) -> Iterator[Record]:
        """Give all, the one that nobody has used for longest first."""
        return iter(tuple(self._by_digest.values()))

    def get(self, digest: str) -> Record | None:
        """Return an image, if it is here."""
        return self._by_digest.get(digest)

    def write(self, record: Record) -> None:
        """Write the file of an image. Raises OSError."""
        half = self._path(record.digest).with_suffix(_HALF)
        with half.open("wb") as file:
            file.write(decode.encode(record))
            file.flush()
            os.fsync(file.fileno())
        half.replace(self._path(record.digest))

    def note(self, record: Record) -> None:
        """Take note of an image whose file is written."""
        self._by_digest[record.digest] = record

    def touch(self, digest: str) -> None:
        """Take note that an image is used. Raises OSError."""
        now = self._clock.now().timestamp()
        os.utime(self._path(digest), (now, now))
        self._by_digest[digest] = self._by_digest.pop(digest)

    def remove(self, digest: str) -> None:
        """Forget an image. Raises OSError."""
        self._path(digest).unlink(missing_ok=True)
        self._by_digest.pop(digest, None)

    def _path(self, digest: str) -> Path:
        return self._root / digest.removeprefix("sha256:")
