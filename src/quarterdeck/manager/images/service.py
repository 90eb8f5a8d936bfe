"""What users see of images, and what administrators do with registries."""

from collections.abc import Sequence
from typing import Protocol

from quarterdeck.base import ids
from quarterdeck.base.clock import Clock
from quarterdeck.manager.identity.errors import Forbidden
from quarterdeck.manager.identity.model import Principal
from quarterdeck.manager.images import errors, ports
from quarterdeck.wire import images


class Worker(Protocol):
    """Whoever does rescans."""

    def soon(self) -> None:
        """Let it look for work, now."""
        ...

    def cancelled(self, registry: str) -> None:
        """Tell that a rescan of this registry was cancelled."""
        ...


class ImageService:
    """The use cases of images and registries."""

    def __init__(
        self,
        store: ports.Images,
        registries: ports.Registries,
        rescans: ports.Rescans,
        secrets: ports.Secrets,
        *,
        worker: Worker,
        clock: Clock,
    ) -> None:
        self._store = store
        self._registries = registries
        self._rescans = rescans
        self._secrets = secrets
        self._worker = worker
        self._clock = clock

    async def begin(self) -> None:
        """Let the rescans of an earlier life of this manager be begun anew."""
        await self._rescans.release()

    async def list(self, query: images.ImageQuery) -> Sequence[images.ImageView]:
        """Return the images that are offered, with `all` those that are missing, too."""
        return await self._store.list(missing=query.all, after=query.after)

    async def get(self, name: str) -> images.ImageView:
        """Return an image, also a missing one. Raises `ImageNotFound`."""
        found = await self._store.get(name) if name.isprintable() else None
        if found is None:
            raise errors.ImageNotFound(f"There is no image {name[:255]!r}")
        return found

    async def add_registry(
        self, by: Principal, given: images.RegistryCreate
    ) -> images.RegistryView:
        """Add a registry; nothing is asked of it yet. Raises `Forbidden`, `SecretNotFound`, `RegistryNameTaken`."""
        _require_admin(by)
        if given.secret is not None:
            await self._secrets.read(given.secret)
        return await self._registries.insert_registry(ids.new(self._clock), given)

    async def list_registries(self, by: Principal) -> Sequence[images.RegistryView]:
        """Return all registries. Raises `Forbidden`."""
        _require_admin(by)
        return await self._registries.list_registries()

    async def delete_registry(self, by: Principal, registry: str) -> None:
        """Forget a registry and its images, but for those of sessions. Raises `Forbidden`, `RegistryNotFound`."""
        _require_admin(by)
        if not await self._registries.delete_registry(registry):
            raise errors.RegistryNotFound
        self._worker.cancelled(registry)

    async def rescan(self, by: Principal, registry: str) -> images.RescanView:
        """Ask for a look at a registry; the same again while it lasts. Raises `Forbidden`, `RegistryNotFound`."""
        _require_admin(by)
        found = await self._rescans.request(ids.new(self._clock), registry)
        if found is None:
            raise errors.RegistryNotFound
        self._worker.soon()
        return found

    async def latest_rescan(self, by: Principal, registry: str) -> images.RescanView:
        """Return how the newest look at a registry goes or went. Raises `Forbidden`, `RescanNotFound`."""
        _require_admin(by)
        found = await self._rescans.latest(registry)
        if found is None:
            raise errors.RescanNotFound
        return found

    async def cancel_rescan(self, by: Principal, registry: str) -> images.RescanView:
        """End the look at a registry that is under way; fine if none is. Raises `Forbidden`, `RescanNotFound`."""
        _require_admin(by)
        if await self._rescans.cancel(registry):
            self._worker.cancelled(registry)
        return await self.latest_rescan(by, registry)


def _require_admin(by: Principal) -> None:
    if not by.is_admin:
        raise Forbidden
