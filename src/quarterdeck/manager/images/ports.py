"""What images need of the world: their store, the registries' own, rescans, secrets, and a way to look at a registry.

Fakes: `quarterdeck.testing.fakes.images`.
"""

import contextlib
from collections.abc import Mapping, Sequence
from typing import Protocol

from quarterdeck.manager.images import model
from quarterdeck.wire import images, oci


class Images(Protocol):
    """The images that sessions may be made of."""

    async def list(self, *, missing: bool, after: str = "") -> Sequence[images.ImageView]:
        """Return the images by name, with those that are missing or without."""
        ...

    async def get(self, name: str) -> images.ImageView | None:
        """Return an image, also a missing one."""
        ...

    async def known(self, registry: str, repository: str) -> Mapping[str, images.ImageVariant]:
        """Return by digest what is known of the images of a repository."""
        ...

    async def record(self, claim: model.Claim, seen: model.Seen) -> None:
        """Write what was seen of a repository, all or nothing: its images, tags that are gone as missing, the result, the progress.

        Nothing happens if the rescan is not this manager's any more.
        """
        ...

    async def failed(self, claim: model.Claim, repository: str, problem: str) -> None:
        """Write that a repository could not be looked at; its images stay as they are."""
        ...

    async def forget_repositories(self, claim: model.Claim, there: Sequence[str]) -> None:
        """Mark the images of all other repositories of a registry as missing, with a result for each."""
        ...


class Registries(Protocol):
    """The registries that are known."""

    async def insert_registry(
        self, registry: str, given: images.RegistryCreate
    ) -> images.RegistryView:
        """Add a registry. Raises `RegistryNameTaken`."""
        ...

    async def list_registries(self) -> Sequence[images.RegistryView]:
        """Return all registries by name."""
        ...

    async def delete_registry(self, registry: str) -> bool:
        """Forget a registry with its images; those of sessions stay, as missing. False: there is no such registry."""
        ...


class Rescans(Protocol):
    """Looks at registries: one at a time for each, done by one manager at a time."""

    async def request(self, rescan: str, registry: str) -> images.RescanView | None:
        """Ask for a rescan; return the one that is under way, or this one. None: there is no such registry."""
        ...

    async def latest(self, registry: str) -> images.RescanView | None:
        """Return the newest rescan of a registry with its results."""
        ...

    async def cancel(self, registry: str) -> bool:
        """End the rescan that is under way; False: none is."""
        ...

    async def claim(self) -> model.Claim | None:
        """Begin a rescan that waits, or one whose manager has gone; None: there is nothing to do."""
        ...

    async def hold(self, claim: model.Claim) -> bool:
        """Keep a claim for some longer; False: it is not ours any more, or was cancelled."""
        ...

    async def begin(self, claim: model.Claim, repositories: int) -> None:
        """Note how many repositories there are to look at."""
        ...

    async def end(self, claim: model.Claim, reason: str | None) -> None:
        """End a rescan: done, or failed for a reason."""
        ...

    async def release(self) -> None:
        """Give back what an earlier life of this manager had claimed."""
        ...


class Secrets(Protocol):
    """The manager's secrets, by name."""

    async def read(self, name: str) -> str:
        """Return a secret. Raises `SecretNotFound`."""
        ...


class Catalogue(Protocol):
    """A registry that is open. All methods raise `infra.errors.RegistryError`s."""

    async def check(self) -> None:
        """Ask whether it lets us in."""
        ...

    async def repositories(self) -> Sequence[str]:
        """Return the names of all repositories."""
        ...

    async def tags(self, repository: str) -> Sequence[str]:
        """Return all tags of a repository; none if there is no such repository."""
        ...

    async def manifest(
        self, repository: str, reference: str
    ) -> tuple[str, oci.Manifest | oci.Index]:
        """Return what a tag or a digest names, and its digest."""
        ...

    async def config(self, repository: str, manifest: oci.Manifest) -> oci.ImageConfig:
        """Return the configuration of an image."""
        ...


class Catalogues(Protocol):
    """Opens registries."""

    def open(self, registry: model.Registry) -> contextlib.AbstractAsyncContextManager[Catalogue]:
        """Own a registry for the time of a block. Raises `SecretNotFound`."""
        ...
