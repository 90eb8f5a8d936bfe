"""The trees of images on disk, each under the digest of its chain of layers. A tree is made beside its place and renamed into it.

The work is done by `unpack`, a process of its own. Used by `store`.
"""

import asyncio
import contextlib
import errno
import itertools
import json
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Container, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import quarterdeck
from quarterdeck.agent.images.errors import ImagesFull, LayerRefused
from quarterdeck.agent.kernels.scratch import remove_tree

ENTRIES_MAX = 1_000_000
ATTEMPTS = 3
_MAKING = "making"
_PROGRAM = "quarterdeck.agent.images.unpack"
_LINE_BYTES_MAX = 2**16
_IMPORT_PATH = str(Path(quarterdeck.__file__).absolute().parent.parent)


@dataclass(frozen=True)
class Layer:
    """A layer to unpack: a file, how it is compressed, and the digest of what is in it."""

    blob: str
    compression: str
    diff_id: str


class Trees:
    """A directory of trees. What an earlier agent left half is removed by `open`."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._names = (f"{os.getpid()}-{number}" for number in itertools.count())

    @classmethod
    def open(cls, root: Path) -> "Trees":
        """Open a directory, made if it is not there. Blocks. Raises OSError."""
        _remove_half(root / _MAKING)
        for one in (root, root / _MAKING):
            one.mkdir(mode=0o700, parents=True, exist_ok=True)
        return cls(root)

    def path(self, chain: str) -> Path:
        """Return where a tree is, or will be."""
        return self._root / chain.removeprefix("sha256:")

    def has(self, chain: str) -> bool:
        """Tell whether a tree is here."""
        return self.path(chain).is_dir()

    async def make(self, chain: Sequence[str], layers: Sequence[Layer], *, bytes_max: int) -> int:
        """Unpack layers on the largest part of them that is here already, and return the bytes of all.

        Raises `LayerRefused`, `ImagesFull`, OSError.
        """
        present = next((at for at in range(len(chain), 0, -1) if self.has(chain[at - 1])), 0)
        making = self._root / _MAKING / next(self._names)
        plan = {
            "agent": os.getpid(),
            "tree": str(making),
            "parent": str(self.path(chain[present - 1])) if present else None,
            "layers": [asdict(layer) for layer in layers[present:]],
            "bytes_max": bytes_max,
            "entries_max": ENTRIES_MAX,
        }
        try:
            size = await _run(plan)
            if not self.has(chain[-1]):
                making.rename(self.path(chain[-1]))
        finally:
            await asyncio.to_thread(remove_tree, making)
        return size

    def remove_all_but(self, kept: Container[str]) -> None:
        """Remove the trees that nobody needs. Blocks. Raises OSError."""
        for one in self._root.iterdir():
            if one.name != _MAKING and f"sha256:{one.name}" not in kept:
                doomed = self._root / _MAKING / next(self._names)
                one.rename(doomed)
                remove_tree(doomed)


def _remove_half(making: Path) -> None:
    """Remove what was not finished; the program of an agent that was killed may write for one moment more."""
    for _ in range(ATTEMPTS - 1):
        with contextlib.suppress(OSError):
            remove_tree(making)
            return
    remove_tree(making)


async def _run(plan: dict[str, Any]) -> int:
    program = await asyncio.create_subprocess_exec(
        *(sys.executable, "-s", "-S", "-P", "-m", _PROGRAM),
        stdin=PIPE,
        stdout=PIPE,
        stderr=PIPE,
        cwd="/",
        env={"PYTHONPATH": _IMPORT_PATH},
        limit=_LINE_BYTES_MAX,
    )
    try:
        return await _converse(program, plan)
    finally:
        with contextlib.suppress(ProcessLookupError):
            program.kill()
        await program.wait()


async def _converse(program: Process, plan: dict[str, Any]) -> int:
    if program.stdin is None or program.stdout is None or program.stderr is None:
        raise LayerRefused("The unpacking program has no channels")
    program.stdin.write(json.dumps(plan).encode())
    program.stdin.close()
    if line := await program.stdout.readline():
        message = json.loads(line)
        if "bytes" in message:
            return int(message["bytes"])
        if os.strerror(errno.ENOSPC) in message["refused"]:
            raise ImagesFull(f"The agent's disk is full: {message['refused']}")
        raise LayerRefused(f"The image cannot be unpacked: {message['refused']}")
    said = (await program.stderr.read(_LINE_BYTES_MAX)).decode(errors="replace").splitlines()
    code = await program.wait()
    raise LayerRefused(
        f"The image cannot be unpacked: its unpacking ended with code {code}: {(said or ['no word'])[-1]}"
    )
