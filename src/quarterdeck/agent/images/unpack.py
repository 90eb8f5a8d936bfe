"""Unpacks the layers of an image into one tree; a program of its own, with its own limits, because layers are strangers' archives.

`python -m quarterdeck.agent.images.unpack` reads a plan (JSON) from its standard input: the tree to make, the tree to begin from (its files
are shared by hard links, which is safe because trees are never written), and the layers. It answers with a line of JSON: `{"bytes": …}` or
`{"refused": …}`. Standard library only; started by `trees`.
"""

import ctypes
import gzip
import hashlib
import io
import json
import os
import resource
import signal
import sys
import tarfile
import zlib
from typing import IO, Any

from quarterdeck.agent.images.tree import COPY_BYTES, ENTRY_BYTES, Refused, Tree

MEMORY_BYTES_MAX = 512 * 2**20
CPU_SECONDS_MAX = 1800
_PR_SET_PDEATHSIG = 1
_BROKEN = (
    OSError,
    EOFError,
    MemoryError,
    ValueError,
    OverflowError,
    RecursionError,
    tarfile.TarError,
    zlib.error,
)
"""What reading a stranger's archive may raise."""


class _Stream(io.RawIOBase):
    """What a layer is when decompressed: hashed, and counted against the bound of the whole image."""

    def __init__(self, source: IO[bytes] | gzip.GzipFile, room: int) -> None:
        self._source = source
        self._hash = hashlib.sha256()
        self.room = room

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        data = self._source.read(COPY_BYTES if size < 0 else size)
        self.take(len(data))
        self._hash.update(data)
        return data

    def take(self, size: int) -> None:
        """Take room. Raises `Refused`: there is none left."""
        self.room -= size
        if self.room < 0:
            raise Refused("it unpacks to more than there may be")

    def digest(self) -> str:
        """Read to the end and return the digest of all."""
        while self.read(COPY_BYTES):
            pass
        return f"sha256:{self._hash.hexdigest()}"


def unpack(plan: dict[str, Any]) -> int:
    """Make a tree as planned and return its bytes. Raises `Refused`."""
    tree = Tree(plan["tree"], entries_max=plan["entries_max"])
    size = tree.begin_from(plan["parent"]) if plan["parent"] else 0
    room = plan["bytes_max"] - size
    for number, layer in enumerate(plan["layers"], start=1):
        try:
            room = _unpack_layer(tree, layer, room)
        except (Refused, *_BROKEN) as error:
            raise Refused(
                f"layer {number} of {len(plan['layers'])}: {_in_words(error)}"
            ) from error
    tree.finish()
    return int(plan["bytes_max"] - room)


def _unpack_layer(tree: Tree, layer: dict[str, str], room: int) -> int:
    tree.begin_layer()
    opener = gzip.open if layer["compression"] == "gzip" else open
    with opener(layer["blob"], "rb") as source:
        stream = _Stream(source, room)
        with tarfile.open(fileobj=stream, mode="r|", bufsize=COPY_BYTES) as archive:
            for info in archive:
                stream.take(ENTRY_BYTES)
                _add(tree, archive, info)
                vars(archive)["members"].clear()  # it would remember all
        if stream.digest() != layer["diff_id"]:
            raise Refused("its content is not what the image says")
    return stream.room


def _add(tree: Tree, archive: tarfile.TarFile, info: tarfile.TarInfo) -> None:
    try:
        tree.add(archive, info)
    except (Refused, *_BROKEN) as error:
        raise Refused(f"{info.name[:200]!r}: {_in_words(error)}") from error


def _in_words(error: BaseException) -> str:
    if isinstance(error, MemoryError):
        return "it needs more memory than there may be"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__


def _limit() -> None:
    """End with the agent, and stay within bounds of memory and time."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    os.nice(10)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES_MAX, MEMORY_BYTES_MAX))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS_MAX, CPU_SECONDS_MAX))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def main() -> None:
    """Do what the plan on the standard input says."""
    _limit()
    os.umask(0)
    plan = json.load(sys.stdin)
    if os.getppid() != plan["agent"]:
        return  # it was killed before we could say that we end with it
    try:
        answer: dict[str, object] = {"bytes": unpack(plan)}
    except Refused as refusal:
        answer = {"refused": str(refusal)}
    sys.stdout.write(f"{json.dumps(answer)}\n")


if __name__ == "__main__":
    main()
