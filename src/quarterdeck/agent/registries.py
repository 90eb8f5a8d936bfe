"""The port `Registries` on the registry client: who asks says where an image is and as whom to ask."""

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator

from quarterdeck.base.clock import Clock
from quarterdeck.base.config import Secret
from quarterdeck.infra import registry
from quarterdeck.infra.registry_access import Credentials
from quarterdeck.wire.agents import ImagePull
from quarterdeck.wire.oci import Descriptor


class Registries:
    """Opens a connection for each pull: there are few, and they are long."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    @contextlib.asynccontextmanager
    async def open(self, source: ImagePull) -> AsyncIterator["Repository"]:
        """Talk to the registry of an image for the time of a block."""
        credentials = None
        if source.username:
            credentials = Credentials(source.username, Secret(source.password))
        async with registry.Registry.open(source.registry, credentials, self._clock) as found:
            yield Repository(found, source.repository)


class Repository:
    """The port `Registry`."""

    def __init__(self, found: registry.Registry, name: str) -> None:
        self._registry = found
        self._name = name

    async def manifest(self, digest: str) -> bytes:
        """Return a manifest or an index. Raises `RegistryError`."""
        return (await self._registry.manifest(self._name, digest)).body

    def blob(self, wanted: Descriptor) -> AsyncGenerator[bytes, None]:
        """Give the pieces of a blob. Raises `RegistryError`."""
        return self._registry.blob(self._name, wanted)
