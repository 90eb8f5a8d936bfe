"""What an image's Python compiles at its start, kept for its next starts. Used by `kernels` and `pool`; it blocks.

It is compiled by the image's own Python in a container that never becomes a kernel, so no session has a hand in it. Containers of the same
image see it read-only.
"""

import contextlib
import itertools
from collections.abc import Container
from pathlib import Path

from quarterdeck.agent.kernels import files
from quarterdeck.agent.kernels.oci.container import COMPILED
from quarterdeck.agent.kernels.scratch import remove_tree

BYTES_MAX = 16 * 2**20
FILES_MAX = 2000


class Places:
    """A directory of what was compiled."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def keep(self, directory: Path) -> str:
        """Keep what the container of a directory has compiled, which must not run any more; return the place, or nothing: it is too much. Raises OSError."""
        made = directory / COMPILED
        with contextlib.closing(files.below(made)) as below:
            sizes = [one.st_size for one in itertools.islice(below, FILES_MAX + 1)]
        if len(sizes) > FILES_MAX or sum(sizes) > BYTES_MAX:
            return ""
        self._root.mkdir(mode=0o700, exist_ok=True)
        place = self._root / directory.name
        made.rename(place)
        return str(place)

    def remove_all_but(self, kept: Container[str]) -> None:
        """Remove what is of no use any more. Raises OSError."""
        for one in self._root.iterdir() if self._root.is_dir() else ():
            if str(one) not in kept:
                remove_tree(one)
