"""A process that does everything to one tree of a local volume, at random and without end, until it is killed.

    python -m quarterdeck.testing.volume_storm ROOT TREE SEED

Each operation that ended, however it ended, is a line on standard output.
"""

import asyncio
import contextlib
import random
import sys
from pathlib import Path

from quarterdeck.base.clock import SystemClock
from quarterdeck.base.errors import QuarterdeckError
from quarterdeck.storage_proxy.model import Limits
from quarterdeck.storage_proxy.volumes.local import LocalVolume
from quarterdeck.testing.volume_client import VolumeClient

_TASKS = 4
_BLOCK_BYTES_MAX = 3000


async def storm(tree: VolumeClient, rng: random.Random) -> None:
    """Do one thing after the other."""
    while True:
        with contextlib.suppress(QuarterdeckError):
            await _anything(tree, rng)
        print(".", flush=True)  # noqa: T201 - a program


async def _anything(tree: VolumeClient, rng: random.Random) -> None:
    here, there = _path(rng), _path(rng)
    what = rng.choice(("put", "put", "put", "delete", "move", "copy", "mkdir"))
    if what == "put":
        await tree.put(here, *(bytes(rng.randrange(_BLOCK_BYTES_MAX)) for _ in range(3)))
    elif what == "mkdir":
        await tree.mkdir(here)
    elif what == "delete":
        await tree.delete(here)
    else:
        await (tree.move if what == "move" else tree.copy)(here, there)


def _path(rng: random.Random) -> str:
    return "/".join(rng.choice("abc") for _ in range(rng.randint(1, 3)))


async def _main(root: str, tree: str, seed: str) -> None:
    with contextlib.closing(LocalVolume(Path(root), SystemClock(), Limits())) as volume:
        async with asyncio.TaskGroup() as group:
            for number in range(_TASKS):
                rng = random.Random(f"{seed}-{number}")
                group.create_task(storm(VolumeClient(volume, tree), rng))


if __name__ == "__main__":
    asyncio.run(_main(*sys.argv[1:]))
