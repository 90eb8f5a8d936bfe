"""Images in the SDK, and for administrators the registries that offer them."""

from collections.abc import Sequence

from quarterdeck.client import api, procedures, typed
from quarterdeck.client.transport_async import Transport
from quarterdeck.wire.images import ImageView, RegistryView, RescanView
from quarterdeck.wire.items import Items


class Images:
    """The images that sessions may be made of."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def list(self, *, missing: bool = False) -> list[ImageView]:
        """Return the images that are offered, with `missing` those that are not any more."""
        found = await self._transport.run(procedures.list_images(missing=missing))
        return typed.convert(found, list[ImageView])

    async def page(self, *, missing: bool = False, after: str = "") -> Sequence[ImageView]:
        """Return the first images after a name, by name; as many as one answer has."""
        request = api.list_images(missing=missing, after=after)
        return (await self._transport.call(request, Items[ImageView])).items

    async def get(self, name: str) -> ImageView:
        """Return an image. Raises `Refused`."""
        return await self._transport.call(api.get_image(name), ImageView)


class Registries:
    """The registries. All methods raise `Refused` for others than administrators."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def add(
        self,
        name: str,
        url: str,
        *,
        username: str | None = None,
        secret: str | None = None,
        repositories: Sequence[str] = (),
    ) -> RegistryView:
        """Let a registry be known; `secret` names the file with the password on the manager."""
        request = api.add_registry(
            name, url, username=username, secret=secret, repositories=repositories
        )
        return await self._transport.call(request, RegistryView)

    async def list(self) -> list[RegistryView]:
        """Return all registries."""
        return (await self._transport.call(api.list_registries(), Items[RegistryView])).items

    async def remove(self, id_: str) -> None:
        """Forget a registry with its images, but for those of sessions."""
        await self._transport.raw(api.delete_registry(id_))

    async def rescan(self, id_: str) -> RescanView:
        """Ask for a look at a registry; while one lasts, it is that one."""
        return await self._transport.call(api.rescan(id_), RescanView)

    async def latest_rescan(self, id_: str) -> RescanView:
        """Return how the newest look at a registry goes or went."""
        return await self._transport.call(api.get_rescan(id_), RescanView)

    async def cancel_rescan(self, id_: str) -> RescanView:
        """End the look at a registry that is under way; fine if none is."""
        return await self._transport.call(api.cancel_rescan(id_), RescanView)
