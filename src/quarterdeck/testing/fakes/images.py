"""The ports of the manager's images in memory: `FakeImages` is the store, `FakeCatalogues` opens a registry that serves layouts."""

import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime

import msgspec

from quarterdeck.infra.errors import ManifestNotFound
from quarterdeck.manager.images import errors, model
from quarterdeck.testing.image_layouts import Layout
from quarterdeck.wire import decode, images, oci, pages

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LATER = datetime(2026, 1, 2, tzinfo=UTC)


class FakeImages:
    """The ports `Images`, `Registries` and `Rescans`. `in_use` are names of images of which there are sessions."""

    def __init__(self) -> None:
        self.images: dict[str, images.ImageView] = {}
        self.registries: dict[str, images.RegistryView] = {}
        self.rescans: dict[str, images.RescanView] = {}
        self.in_use: set[str] = set()
        self.held = 0
        self._owner: dict[str, str] = {}

    async def list(self, *, missing: bool, after: str = "") -> Sequence[images.ImageView]:
        """Return the images by name."""
        found = [self.images[name] for name in sorted(self.images) if name > after]
        shown = [one for one in found if missing or one.missing_since is None]
        return shown[: pages.IMAGES_MAX]

    async def get(self, name: str) -> images.ImageView | None:
        """Return an image."""
        return self.images.get(name)

    async def known(self, registry: str, repository: str) -> Mapping[str, images.ImageVariant]:
        """Return by digest what is known of a repository."""
        return {
            variant.digest: variant
            for name, one in self.images.items()
            if self._owner.get(name) == registry and one.repository == repository
            for variant in one.variants
        }

    async def record(self, claim: model.Claim, seen: model.Seen) -> None:
        """Write what was seen."""
        if not self._ours(claim):
            return
        for tagged in seen.images:
            self._write(claim, seen.repository, tagged)
        gone = [
            one
            for one in self._of(claim)
            if one.repository == seen.repository and one.tag not in seen.tags
        ]
        missing = self._miss(gone)
        result = images.RepositoryResult(
            repository=seen.repository,
            images=len(seen.images),
            missing=missing,
            problems=model.told(seen).problems,
        )
        self._add(claim, result)

    async def failed(self, claim: model.Claim, repository: str, problem: str) -> None:
        """Write that a repository could not be looked at."""
        if self._ours(claim):
            self._add(
                claim,
                images.RepositoryResult(repository=repository, images=0, problems=(problem,)),
            )

    async def forget_repositories(self, claim: model.Claim, there: Sequence[str]) -> None:
        """Mark the images of all other repositories as missing."""
        if self._ours(claim):
            self._miss([one for one in self._of(claim) if one.repository not in there])

    async def insert_registry(
        self, registry: str, given: images.RegistryCreate
    ) -> images.RegistryView:
        """Add a registry."""
        if any(one.name == given.name for one in self.registries.values()):
            raise errors.RegistryNameTaken(field="name")
        fields = {name: getattr(given, name) for name in given.__struct_fields__}
        view = images.RegistryView(id=registry, created_at=NOW, **fields)
        self.registries[registry] = view
        return view

    async def list_registries(self) -> Sequence[images.RegistryView]:
        """Return all registries by name."""
        return sorted(self.registries.values(), key=lambda one: one.name)

    async def delete_registry(self, registry: str) -> bool:
        """Forget a registry."""
        if registry not in self.registries:
            return False
        for name in [name for name, owner in self._owner.items() if owner == registry]:
            del self._owner[name]
            if name in self.in_use:
                self._replace(name, missing_since=LATER, registry=None)
            else:
                del self.images[name]
        del self.registries[registry]
        self.rescans.pop(registry, None)
        return True

    async def request(self, rescan: str, registry: str) -> images.RescanView | None:
        """Ask for a rescan."""
        if registry not in self.registries:
            return None
        now = self.rescans.get(registry)
        if now is None or now.status not in images.RESCAN_LIVE:
            self.rescans[registry] = images.RescanView(
                id=rescan,
                registry=self.registries[registry].name,
                status=images.RescanStatus.WAITING,
                requested_at=NOW,
            )
        return self.rescans[registry]

    async def latest(self, registry: str) -> images.RescanView | None:
        """Return the newest rescan."""
        return self.rescans.get(registry)

    async def cancel(self, registry: str) -> bool:
        """End the rescan that is under way."""
        now = self.rescans.get(registry)
        if now is None or now.status not in images.RESCAN_LIVE:
            return False
        self._change(registry, status=images.RescanStatus.CANCELLED, ended_at=LATER)
        return True

    async def claim(self) -> model.Claim | None:
        """Begin a rescan that waits."""
        for registry, rescan in self.rescans.items():
            if rescan.status is images.RescanStatus.WAITING:
                self._change(registry, status=images.RescanStatus.RUNNING)
                view = self.registries[registry]
                found = model.Registry(
                    registry, view.name, view.url, view.username, view.secret, view.repositories
                )
                return model.Claim(rescan.id, found)
        return None

    async def hold(self, claim: model.Claim) -> bool:
        """Keep a claim."""
        self.held += 1
        return self._ours(claim)

    async def begin(self, claim: model.Claim, repositories: int) -> None:
        """Note how many repositories there are."""
        if self._ours(claim):
            self._change(claim.registry.id, repositories_total=repositories)

    async def end(self, claim: model.Claim, reason: str | None) -> None:
        """End a rescan."""
        if self._ours(claim):
            status = images.RescanStatus.FAILED if reason else images.RescanStatus.DONE
            self._change(claim.registry.id, status=status, reason=reason, ended_at=LATER)

    async def release(self) -> None:
        """Let rescans that run wait again."""
        for registry, rescan in self.rescans.items():
            if rescan.status is images.RescanStatus.RUNNING:
                self._change(registry, status=images.RescanStatus.WAITING)

    def _ours(self, claim: model.Claim) -> bool:
        now = self.rescans.get(claim.registry.id)
        return (
            now is not None
            and now.id == claim.rescan
            and now.status is images.RescanStatus.RUNNING
        )

    def _of(self, claim: model.Claim) -> Sequence[images.ImageView]:
        return [
            one
            for name, one in self.images.items()
            if self._owner.get(name) == claim.registry.id and one.missing_since is None
        ]

    def _miss(self, gone: Sequence[images.ImageView]) -> int:
        for one in gone:
            self._replace(one.name, missing_since=LATER)
        return len(gone)

    def _write(self, claim: model.Claim, repository: str, tagged: model.Tagged) -> None:
        name = model.image_name(claim.registry.name, repository, tagged.tag)
        self._owner[name] = claim.registry.id
        self.images[name] = images.ImageView(
            name=name,
            created_at=NOW,
            registry=claim.registry.name,
            repository=repository,
            tag=tagged.tag,
            digest=tagged.digest,
            updated_at=NOW,
            variants=tagged.variants,
        )

    def _replace(self, name: str, **changes: object) -> None:
        self.images[name] = msgspec.structs.replace(self.images[name], **changes)

    def _add(self, claim: model.Claim, result: images.RepositoryResult) -> None:
        now = self.rescans[claim.registry.id]
        others = [one for one in now.results if one.repository != result.repository]
        results = tuple(sorted((*others, result), key=lambda one: one.repository))
        self._change(claim.registry.id, results=results, repositories_done=len(results))

    def _change(self, registry: str, **changes: object) -> None:
        self.rescans[registry] = msgspec.structs.replace(self.rescans[registry], **changes)


class FakeSecrets:
    """The port `Secrets` on a dict."""

    def __init__(self, **secrets: str) -> None:
        self.secrets = secrets

    async def read(self, name: str) -> str:
        """Return a secret."""
        if name not in self.secrets:
            raise errors.SecretNotFound(field="secret")
        return self.secrets[name]


class FakeCatalogues:
    """The ports `Catalogues` and `Catalogue` on layouts by repository. `failures` are raised by what they name, such as `tags deck/tool`."""

    def __init__(self, **layouts: Layout) -> None:
        self.layouts: dict[str, Layout] = dict(layouts)
        self.failures: dict[str, Exception] = {}
        self.asked: list[str] = []

    @contextlib.asynccontextmanager
    async def open(self, _: model.Registry) -> AsyncIterator["FakeCatalogues"]:
        """Own a registry for the time of a block."""
        self._asked("open")
        yield self

    async def check(self) -> None:
        """Let everybody in."""
        self._asked("check")

    async def repositories(self) -> Sequence[str]:
        """Return the names of all repositories."""
        self._asked("repositories")
        return sorted(self.layouts)

    async def tags(self, repository: str) -> Sequence[str]:
        """Return all tags of a repository."""
        self._asked(f"tags {repository}")
        return sorted(self.layouts[repository].tags) if repository in self.layouts else ()

    async def manifest(
        self, repository: str, reference: str
    ) -> tuple[str, oci.Manifest | oci.Index]:
        """Return what a tag or a digest names."""
        self._asked(f"manifest {repository} {reference}")
        layout = self.layouts[repository]
        digest = layout.tags.get(reference, reference)
        if digest not in layout.blobs:
            raise ManifestNotFound(reference)
        return digest, oci.parse(layout.blobs[digest], layout.media_types[digest])

    async def config(self, repository: str, manifest: oci.Manifest) -> oci.ImageConfig:
        """Return the configuration of an image."""
        self._asked(f"config {repository}")
        return decode.decode(
            oci.ImageConfig, self.layouts[repository].blobs[manifest.config.digest]
        )

    def _asked(self, what: str) -> None:
        self.asked.append(what)
        if what in self.failures:
            raise self.failures[what]
