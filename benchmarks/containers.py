"""Kernels in containers, image local and nothing prepared: from the request to the first output. In turn with `runc run` of the same files.

Runc's part is one program of busybox: it has no channels, no limits, no user of its own and no seccomp profile.
"""

import asyncio
import contextlib
import json
import tempfile
import time
from collections.abc import AsyncGenerator
from pathlib import Path

from benchmarks.figure import Figure
from quarterdeck.agent.kernels.oci import programs
from quarterdeck.agent.kernels.spec import Image
from quarterdeck.testing import containers, image_contents, workshops

ROUNDS = 20
GOAL_MS = 60.0
_DEADLINE_SECONDS = 60.0


async def figures() -> AsyncGenerator[Figure, None]:
    """A shell and a Python in a container. Nothing where there is no runc, or we are not root."""
    containers.required()
    async with contextlib.AsyncExitStack() as stack:
        room = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        unpacked = containers.Unpacked(room)
        shell = await unpacked.image(image_contents.shell_image())
        python = await unpacked.image(image_contents.python_image())
        maker = await stack.enter_async_context(containers.contained(room, shell))
        shop = await stack.enter_async_context(workshops.opened(maker, room / "scratch"))
        for image, code in ((shell, "echo 2"), (python, "print(1+1)")):
            yield await first_output(shop, image, code, room=room)


async def first_output(shop: workshops.Workshop, image: Image, code: str, *, room: Path) -> Figure:
    """From the request for a kernel to its first output."""
    ours, peer = [], []
    bundle = _bundle(image, room / f"bundle-{image.runtime}")
    await _ours(shop, image, code)
    for number in range(ROUNDS):
        ours.append(1000 * await _ours(shop, image, code))
        peer.append(1000 * await _runc(bundle, f"bench-{image.runtime}-{number}", room))
    name = f"{image.runtime} in a container, not pooled, to first output"
    return Figure(name, "ms", ours, GOAL_MS, floor="22 ms", peer_name="runc run", peer=peer)


async def _ours(shop: workshops.Workshop, image: Image, code: str) -> float:
    begin = time.perf_counter()
    kernel = await shop.make(image=image)
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
