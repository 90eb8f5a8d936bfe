"""Kernels in containers for tests: images unpacked once, a zygote of containers, and both as one maker of kernels that looks like any other."""

import contextlib
import dataclasses
import os
from collections.abc import AsyncIterator, Callable, Collection
from pathlib import Path

from quarterdeck.agent.images.model import chain
from quarterdeck.agent.images.trees import Layer, Trees
from quarterdeck.agent.kernels import forkserver
from quarterdeck.agent.kernels.oci import cgroups
from quarterdeck.agent.kernels.oci.kernels import Containers
from quarterdeck.agent.kernels.oci.launcher import ContainerLauncher
from quarterdeck.agent.kernels.oci.pool import Pool
from quarterdeck.agent.kernels.process import KernelProcess
from quarterdeck.agent.kernels.spec import Exit, Image, KernelSpec, container_environment
from quarterdeck.base import tasks
from quarterdeck.testing import image_layouts
from quarterdeck.testing.image_contents import RUNTIME_LABEL
from quarterdeck.testing.image_layers import GZIPPED, digest
from quarterdeck.wire.sessions import IsolationLevel
from shakeout.services import debian
from shakeout.skips import Prerequisite, require, skip

ROOT = Prerequisite("root", "containers are made by root's agents only, so far")
TREE_BYTES_MAX = 2**30
_GROUPS = Path("/sys/fs/cgroup")


def required() -> None:
    """Leave the running test out where there can be no containers."""
    require(debian.RUNC)
    if os.geteuid() != 0:
        skip(ROOT)


def groups(group: str, kernel: str) -> list[Path]:
    """Return the control groups of a kernel, below that of all."""
    return [path for path in _GROUPS.glob(f"*/{group}/{kernel}") if path.is_dir()]


class Unpacked:
    """Images unpacked below a directory."""

    def __init__(self, room: Path) -> None:
        self._room = room
        self._trees = Trees.open(room / "trees")

    async def image(self, image: image_layouts.Image) -> Image:
        """Unpack an image."""
        layers = []
        for layer in image.layers:
            path = self._room / digest(layer.blob()).removeprefix("sha256:")
            path.write_bytes(layer.blob())
            kind = "gzip" if layer.media_type == GZIPPED else "none"
            layers.append(Layer(str(path), kind, digest(layer.diff())))
        names = chain([one.diff_id for one in layers])
        await self._trees.make(names, layers, bytes_max=TREE_BYTES_MAX)
        return Image(str(self._trees.path(names[-1])), image.labels[RUNTIME_LABEL])


class Contained:
    """The port `Kernels` whose kernels all have an image."""

    mounts = True
    level = IsolationLevel.OCI

    def __init__(self, containers: Containers, image: Image, group: str) -> None:
        self._containers = containers
        self.image = image
        self.group = group

    async def spawn(self, spec: KernelSpec, on_exit: Callable[[Exit], None]) -> KernelProcess:
        """Make a kernel in a container."""
        image = spec.image or self.image
        environment = spec.environment | container_environment(image)
        return await self._containers.spawn(
            dataclasses.replace(spec, image=image, environment=environment), on_exit
        )

    async def kill(self, id_: str) -> None:
        """End a kernel."""
        await self._containers.kill(id_)

    def held(self) -> Collection[str]:
        """Return the kernels of an earlier life."""
        return self._containers.held()

    def adopt(self, id_: str, pid: int, on_exit: Callable[[Exit], None]) -> KernelProcess | None:
        """Go on with a kernel of an earlier life."""
        return self._containers.adopt(id_, pid, on_exit)

    def leave(self) -> None:
        """Let go of all kernels."""
        self._containers.leave()


@contextlib.asynccontextmanager
async def contained(
    room: Path,
    image: Image,
    launch: Callable[[], ContainerLauncher] | None = None,
    pool: Pool | None = None,
) -> AsyncIterator[Contained]:
    """Own a zygote of containers for the time of a block. `launch`, `pool`: see `Containers`."""
    group = cgroups.of_agent(room)
    containers = Containers(launch or launched, directory=room.joinpath, group=group, pool=pool)
    async with tasks.background() as background:
        if pool is not None:
            background.start(containers.fill())
        try:
            yield Contained(containers, image, group)
        finally:
            background.cancel()
            await containers.close()
            cgroups.remove(group)


def launched() -> ContainerLauncher:
    """Launch a zygote of containers."""
    return ContainerLauncher.launch(program=forkserver.CONTAINERS)
