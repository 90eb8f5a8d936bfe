"""A registry that a manager knows, for tests: what it holds, looking at it, and what came of that."""

import contextlib
import uuid
from collections.abc import AsyncIterator, Iterator, Sequence

from quarterdeck.client.client import Client
from quarterdeck.testing.image_layers import Layer
from quarterdeck.testing.image_layouts import ARCHITECTURE, Image, Layout
from quarterdeck.testing.registries import Shelf, password_file
from quarterdeck.wire.images import ImageView, RegistryView, RescanView
from shakeout.services.registry import PASSWORD, USER
from shakeout.system.cluster import Cluster
from shakeout.waiting.until import until

RESCAN_SECONDS_MAX = 30.0


class Hub:
    """One registry. Its images are named `hub.name/repository:tag`."""

    def __init__(self, admin: Client, shelf: Shelf, view: RegistryView) -> None:
        self._admin = admin
        self.shelf = shelf
        self.view = view

    @property
    def name(self) -> str:
        """Its name on the platform."""
        return self.view.name

    async def begin(self) -> RescanView:
        """Ask for a look at it."""
        return await self._admin.registries.rescan(self.view.id)

    async def rescan(self) -> RescanView:
        """Ask for a look at it, and wait until that has ended, in whatever way."""
        await self.begin()
        return await self.ended()

    async def ended(self) -> RescanView:
        """Wait until the look at it has ended, in whatever way."""
        return await until(
            self.latest, within=RESCAN_SECONDS_MAX, satisfied=lambda now: now.ended_at is not None
        )

    async def latest(self) -> RescanView:
        """Return how the newest look at it goes."""
        return await self._admin.registries.latest_rescan(self.view.id)

    async def cancel(self) -> RescanView:
        """End the look at it."""
        return await self._admin.registries.cancel_rescan(self.view.id)

    async def images(self, *, missing: bool = False) -> dict[str, ImageView]:
        """Return its images by repository and tag."""
        prefix = f"{self.name}/"
        found = await self._admin.images.list(missing=missing)
        return {one.name.removeprefix(prefix): one for one in found if one.name.startswith(prefix)}


@contextlib.asynccontextmanager
async def known(
    cluster: Cluster,
    admin: Client,
    *,
    service: str = "registry",
    password: str = PASSWORD,
    url: str = "",
) -> AsyncIterator[Hub]:
    """Let a registry of the cluster be known for the time of a block; afterwards it is empty and forgotten."""
    with (
        password_file(cluster, password) as secret,
        contextlib.closing(Shelf(cluster, service)) as shelf,
    ):
        view = await admin.registries.add(
            f"h{uuid.uuid4().hex[:12]}", url or shelf.url, username=USER, secret=secret
        )
        try:
            yield Hub(admin, shelf, view)
        finally:
            await admin.registries.remove(view.id)


def small_image(text: str = "", architecture: str = ARCHITECTURE, **labels: str) -> Image:
    """Return an image with one file, which is not worth running. Labels: `cpu`, `memory_mib` (minimums), `runtime`."""
    named = {_label(name): value for name, value in labels.items()}
    return Image([Layer(gzipped=True).file("motd", text)], labels=named, architecture=architecture)


def tagged(*tags: str, **labels: str) -> Layout:
    """Return a layout with a small image of its own for each tag."""
    made = Layout()
    for tag in tags:
        made.add(small_image(tag, **labels), tag)
    return made


def for_architectures(tag: str, architectures: Sequence[str]) -> Layout:
    """Return a layout with an index of small images."""
    made = Layout()
    made.add_index([small_image(tag, one) for one in architectures], tag)
    return made


def names(count: int) -> Iterator[str]:
    """Give names of repositories."""
    return (f"many/{number:03}" for number in range(count))


def _label(name: str) -> str:
    return {"cpu": "quarterdeck.min.cpu", "memory_mib": "quarterdeck.min.memory-mib"}.get(
        name, f"quarterdeck.{name}"
    )
