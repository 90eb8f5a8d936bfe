"""Where the images of an agent are on disk: records, blobs and trees, side by side. Used by `store` and `room`."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from quarterdeck.agent.images.blobs import Blobs
from quarterdeck.agent.images.records import Records
from quarterdeck.agent.images.trees import Trees
from quarterdeck.base.clock import Clock

KEPT_FREE_BYTES = 2**30
KEPT_FREE_PART = 20
"""So much of the disk, or one part in so many of a small one, images leave to others."""


@dataclass(frozen=True)
class Shelves:
    """Where images are on disk. `open` removes what an earlier agent left half. Its methods block."""

    root: Path
    records: Records
    blobs: Blobs
    trees: Trees

    @classmethod
    def open(cls, root: Path, clock: Clock) -> "Shelves":
        """Open a directory, made if it is not there. Raises OSError."""
        shelves = cls(
            root,
            Records.open(root / "images", clock),
            Blobs.open(root / "blobs"),
            Trees.open(root / "trees"),
        )
        for record in shelves.records:
            if not shelves.trees.has(record.chain):
                shelves.records.remove(record.digest)
        shelves.sweep(set())
        return shelves

    def sweep(self, needed: set[str]) -> int:
        """Remove the blobs and trees that neither an image nor a pull needs; return how many bytes images may still take of the disk. Raises OSError."""
        records = tuple(self.records)
        self.trees.remove_all_but(needed | {one.chain for one in records})
        self.blobs.remove_all_but(needed | {blob for one in records for blob in one.blobs})
        disk = shutil.disk_usage(self.root)
        return disk.free - min(KEPT_FREE_BYTES, disk.total // KEPT_FREE_PART)
