"""Registries as rescans look at them, through `infra.registry`, and secrets, which are files."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from quarterdeck.base.clock import Clock
from quarterdeck.base.config import Secret
from quarterdeck.infra import registry
from quarterdeck.infra.errors import RegistryMisbehaves, RepositoryNotFound
from quarterdeck.infra.registry_access import Credentials
from quarterdeck.manager.images import errors, model, ports
from quarterdeck.wire import oci

REPOSITORIES_MAX = 20_000
TAGS_MAX = 20_000
SECRET_BYTES_MAX = 8192


class SecretFiles:
    """The port `Secrets` on a directory with a file for each: read when needed, so that a new one counts at once."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    async def read(self, name: str) -> str:
        """Return a secret without white space around it. Raises `SecretNotFound`."""
        return await asyncio.to_thread(self._read, name)

    def _read(self, name: str) -> str:
        try:
            with (self._directory / name).open(encoding="utf-8") as file:
                return file.read(SECRET_BYTES_MAX).strip()
        except (OSError, UnicodeDecodeError) as error:
            raise errors.SecretNotFound(
                f"The manager has no secret {name!r} that it can read", field="secret"
            ) from error


class RegistryGateway:
    """The port `Catalogues`."""

    def __init__(self, secrets: ports.Secrets, clock: Clock) -> None:
        self._secrets = secrets
        self._clock = clock

    @contextlib.asynccontextmanager
    async def open(self, wanted: model.Registry) -> AsyncIterator[ports.Catalogue]:
        """Own a registry for the time of a block. Raises `SecretNotFound`."""
        credentials = None
        if wanted.secret is not None:
            password = Secret(await self._secrets.read(wanted.secret))
            credentials = Credentials(wanted.username, password)
        async with registry.Registry.open(wanted.url, credentials, self._clock) as opened:
            yield _Catalogue(opened)


class _Catalogue:
    """The port `Catalogue`."""

    def __init__(self, opened: registry.Registry) -> None:
        self._registry = opened

    async def check(self) -> None:
        await self._registry.check()

    async def repositories(self) -> Sequence[str]:
        return await _all(self._registry.catalog(), REPOSITORIES_MAX)

    async def tags(self, repository: str) -> Sequence[str]:
        try:
            return await _all(self._registry.tags(repository), TAGS_MAX)
        except RepositoryNotFound:
            return ()

    async def manifest(
        self, repository: str, reference: str
    ) -> tuple[str, oci.Manifest | oci.Index]:
        found = await self._registry.manifest(repository, reference)
        return found.digest, found.content

    async def config(self, repository: str, manifest: oci.Manifest) -> oci.ImageConfig:
        return await self._registry.config(repository, manifest)


async def _all(names: AsyncIterator[str], most: int) -> Sequence[str]:
    """Return names, each once, in order. Raises `RegistryMisbehaves` for too many."""
    found: dict[str, None] = {}
    async for name in names:
        found[name] = None
        if len(found) > most:
            raise RegistryMisbehaves(f"it lists more than {most} names")
    return tuple(found)
