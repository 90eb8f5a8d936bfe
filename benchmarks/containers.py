"""Kernels in containers, image local: from the request to the first output. In turn with `runc run` of the same files.

Not pooled: nothing is prepared but the image. Pooled: a container waits for whoever comes. Runc's part is one program of busybox: it has no
channels, no limits, no user of its own and no seccomp profile.
"""

import asyncio
import json
import tempfile
import time
from collections.abc import AsyncGenerator
from pathlib import Path

from benchmarks.figure import Figure
from quarterdeck.agent.kernels.oci import pool, programs
from quarterdeck.agent.kernels.oci.container import GROUP_FILE
from quarterdeck.agent.kernels.spec import Image
from quarterdeck.base import tasks
from quarterdeck.base.clock import SystemClock
from quarterdeck.testing import containers, image_contents, workshops

ROUNDS = 20
GOAL_MS = 60.0
POOLED_GOAL_MS = 12.0
_DEADLINE_SECONDS = 60.0
_LOOK_SECONDS = 0.02
_CODES = {"shell": "echo 2", "python": "print(1+1)"}


async def figures() -> AsyncGenerator[Figure, None]:
    """A shell and a Python in a container, each not pooled and pooled. Nothing where there is no runc, or we are not root."""
    containers.required()
    with tempfile.TemporaryDirectory() as directory:
        room = Path(directory)
        unpacked = containers.Unpacked(room)
        for made in (image_contents.shell_image(), image_contents.python_image()):
            image = await unpacked.image(made)
            bundle = _bundle(image, room / f"bundle-{image.runtime}")
            for pooled in (False, True):
                place = room / f"{image.runtime}-{'pooled' if pooled else 'made'}"
                place.mkdir()
                yield await first_output(image, bundle, place, pooled=pooled)


async def first_output(image: Image, bundle: Path, room: Path, *, pooled: bool) -> Figure:
    """From the request for a kernel to its first output."""
    waiting = room / "scratch" / ".waiting"
    kept = pool.Pool(waiting, SystemClock(), marks={}) if pooled else None
    async with (
        containers.contained(room / "group", image, pool=kept) as maker,
        workshops.opened(maker, room / "scratch") as shop,
    ):
        await _ours(shop, _CODES[image.runtime])
        ours, peer = [], []
        for number in range(ROUNDS):
            if pooled:
                await _filled(waiting)
            ours.append(1000 * await _ours(shop, _CODES[image.runtime]))
            peer.append(1000 * await _runc(bundle, f"bench-{number}", room))
    name = f"{image.runtime} in a container, {'' if pooled else 'not '}pooled, to first output"
    goal, floor = (POOLED_GOAL_MS, "6 ms") if pooled else (GOAL_MS, "22 ms")
    return Figure(name, "ms", ours, goal, floor=floor, peer_name="runc run", peer=peer)


async def _filled(waiting: Path) -> None:
    """Return when as many containers wait as ever do, and nothing more is made meanwhile."""
    async with asyncio.timeout(_DEADLINE_SECONDS):
        while _count(waiting) < pool.EACH_MAX:
            await tasks.pause(_LOOK_SECONDS)


def _count(waiting: Path) -> int:
    return len(tuple(waiting.glob(f"*/{GROUP_FILE}")))


async def _ours(shop: workshops.Workshop, code: str) -> float:
    begin = time.perf_counter()
    kernel = await shop.make()
    done = await workshops.execute(kernel, code)
    took = time.perf_counter() - begin
    if done.stdout != "2\n":
        raise AssertionError(done)
    await shop.end(kernel)
    return took


async def _runc(bundle: Path, name: str, room: Path) -> float:
    begin = time.perf_counter()
    async with asyncio.timeout(_DEADLINE_SECONDS):
        process = await asyncio.create_subprocess_exec(
            *(programs.runc() or "runc", "--root", str(room / "runc")),
            *("run", "--bundle", str(bundle), name),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
        )
        said, _ = await process.communicate()
    took = time.perf_counter() - begin
    if said != b"2\n":
        raise AssertionError(said)
    return took


def _bundle(image: Image, directory: Path) -> Path:
    """Make a bundle of the same files as plain as can be."""
    directory.mkdir()
    options = {"proc": [], "tmpfs": ["mode=755"]}
    config = {
        "ociVersion": "1.0.2",
        "root": {"path": image.tree, "readonly": True},
        "process": {"user": {"uid": 0, "gid": 0}, "args": ["/bin/echo", "2"], "cwd": "/"},
        "mounts": [
            {"destination": path, "type": kind, "source": kind, "options": options[kind]}
            for path, kind in (("/proc", "proc"), ("/dev", "tmpfs"))
        ],
        "linux": {
            "namespaces": [{"type": one} for one in ("pid", "network", "ipc", "uts", "mount")]
        },
    }
    (directory / "config.json").write_text(json.dumps(config))
    return directory
