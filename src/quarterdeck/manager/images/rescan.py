"""Looking at a registry: which repositories, which tags, which images behind them; written repository by repository.

What could not be looked at changes nothing: an image goes missing only when the registry says, in a list that came whole, that its tag or
its repository is not there. Run by a loop; any manager may begin a rescan anew that another one left.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping

from quarterdeck.base import tasks
from quarterdeck.base.errors import QuarterdeckError
from quarterdeck.infra.errors import RegistryUnreachable
from quarterdeck.manager.images import model, ports
from quarterdeck.wire import images, oci
from quarterdeck.wire.errors import Invalid

REPOSITORIES_AT_ONCE_MAX = 4
TAGS_AT_ONCE_MAX = 8
HOLD_SECONDS = 5.0
RESCAN_SECONDS_MAX = 4 * 3600.0

_log = logging.getLogger(__name__)


class _Left(Exception):
    """The rescan was cancelled, or another manager has taken it over."""


class Rescanner:
    """Does the rescans that were asked for. `wake` is for the loops that call `run`; `changed` tells of a cancellation here."""

    def __init__(
        self, store: ports.Images, rescans: ports.Rescans, catalogues: ports.Catalogues
    ) -> None:
        self._store = store
        self._rescans = rescans
        self._catalogues = catalogues
        self.wake = tasks.Wake()
        self._watched: dict[tasks.Wake, str] = {}

    def soon(self) -> None:
        """Let the loops look for work, now."""
        self.wake.set()

    def cancelled(self, registry: str) -> None:
        """Let a rescan of this registry see at once that it was cancelled, if this manager does it."""
        for wake, watched in self._watched.items():
            if watched == registry:
                wake.set()

    async def run(self) -> None:
        """Do rescans until none waits; other loops may find more."""
        while (claim := await self._rescans.claim()) is not None:
            self.wake.set()
            with self._watching(claim) as cancelled:
                await self._do(claim, cancelled)

    async def _do(self, claim: model.Claim, cancelled: tasks.Wake) -> None:
        """Do a rescan to its end, unless it is cancelled or taken over meanwhile."""
        extra = {"registry": claim.registry.name, "rescan": claim.rescan}
        try:
            async with asyncio.TaskGroup() as group:
                holding = group.create_task(self._hold(claim, cancelled))
                reason = await self._outcome(claim)
                holding.cancel()
        except* _Left:
            _log.info("rescan-left", extra=extra)
        else:
            await self._rescans.end(claim, reason)
            _log.info("rescan-ended", extra={**extra, "reason": reason})

    async def _hold(self, claim: model.Claim, cancelled: tasks.Wake) -> None:
        """Keep the claim for as long as the work lasts. Raises `_Left`."""
        while await self._rescans.hold(claim):
            await cancelled.wait(HOLD_SECONDS)
        raise _Left

    async def _outcome(self, claim: model.Claim) -> str | None:
        """Look at a registry; return why it failed, or None."""
        reason = None
        try:
            async with asyncio.timeout(RESCAN_SECONDS_MAX):
                await self._look(claim)
        except* QuarterdeckError as errors:
            reason = model.printable(_first(errors).detail)
        except* TimeoutError:
            reason = f"it took more than {RESCAN_SECONDS_MAX:g} s"
        except* Exception as errors:  # noqa: BLE001 - supervisor: what nobody expects ends this look; begun anew it would go wrong again
            _log.error("rescan-broken", extra={"rescan": claim.rescan}, exc_info=errors)
            reason = "the manager did not understand it; its log says more"
        return reason

    async def _look(self, claim: model.Claim) -> None:
        """Look at all repositories. Raises what hinders all of it."""
        async with self._catalogues.open(claim.registry) as catalogue:
            await catalogue.check()
            names = claim.registry.repositories or await catalogue.repositories()
            repositories, problems = model.nameable_repositories(names)
            await self._rescans.begin(claim, len(repositories) + len(problems))
            for name, problem in problems.items():
                await self._store.failed(claim, name, problem)
            look = _Look(self._store, claim, catalogue)
            await _each(repositories, REPOSITORIES_AT_ONCE_MAX, look.repository)
        await self._store.forget_repositories(claim, repositories)

    @contextlib.contextmanager
    def _watching(self, claim: model.Claim) -> Iterator[tasks.Wake]:
        """Have a wake for cancellations. Two looks at one registry may overlap, the end of one and the begin of the next."""
        wake = tasks.Wake()
        self._watched[wake] = claim.registry.id
        try:
            yield wake
        finally:
            del self._watched[wake]


class _Look:
    """One rescan's look at repositories. A registry that is gone altogether ends it; whatever concerns one repository or one tag is a result."""

    def __init__(
        self, store: ports.Images, claim: model.Claim, catalogue: ports.Catalogue
    ) -> None:
        self._store = store
        self._claim = claim
        self._catalogue = catalogue

    async def repository(self, name: str) -> None:
        """Look at a repository and write what was seen. Raises `RegistryError` if the registry is gone."""
        try:
            seen = await self._see(name)
        except QuarterdeckError as error:
            await self._require_registry(error)
            await self._store.failed(self._claim, name, model.printable(error.detail))
        else:
            await self._store.record(self._claim, seen)

    async def _see(self, name: str) -> model.Seen:
        registry = self._claim.registry
        tags = await self._catalogue.tags(name)
        known = await self._store.known(registry.id, name)
        fine, problems = model.nameable(registry.name, name, tags)
        found: list[model.Tagged] = []

        async def look(tag: str) -> None:
            try:
                found.append(await self._tagged(name, tag, known))
            except QuarterdeckError as error:
                await self._require_registry(error)
                problems.append(f"{tag}: {model.printable(error.detail)}")

        await _each(fine, TAGS_AT_ONCE_MAX, look)
        found.sort(key=lambda one: one.tag)
        return model.Seen(name, frozenset(fine), tuple(found), tuple(sorted(problems)))

    async def _require_registry(self, error: QuarterdeckError) -> None:
        """Raise if the registry does not answer at all any more: then nothing that is missing says anything."""
        if isinstance(error, RegistryUnreachable):
            await self._catalogue.check()

    async def _tagged(
        self, repository: str, tag: str, known: Mapping[str, images.ImageVariant]
    ) -> model.Tagged:
        """Return what a tag names. Raises `RegistryError`, `Invalid`."""
        digest, content = await self._catalogue.manifest(repository, tag)
        if isinstance(content, oci.Manifest):
            found = known.get(digest) or await self._variant(repository, digest, content)
            return model.Tagged(tag, digest, (found,))
        variants = []
        for one in model.wanted_manifests(content):
            if (variant := known.get(one.digest)) is None:
                _, inner = await self._catalogue.manifest(repository, one.digest)
                if isinstance(inner, oci.Index):
                    raise Invalid("manifests", "its index names another index")
                variant = await self._variant(repository, one.digest, inner)
            variants.append(variant)
        if not variants:
            raise Invalid("manifests", "its index names no image for Linux")
        return model.Tagged(tag, digest, model.by_architecture(variants))

    async def _variant(
        self, repository: str, digest: str, manifest: oci.Manifest
    ) -> images.ImageVariant:
        config = await self._catalogue.config(repository, manifest)
        return model.variant(digest, manifest, config)


async def _each(
    names: Iterable[str], at_once: int, work: Callable[[str], Awaitable[None]]
) -> None:
    """Do work for each name, some at a time. Raises an ExceptionGroup with the first error."""
    waiting = iter(names)

    async def worker() -> None:
        for name in waiting:
            await work(name)

    async with asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(worker())


def _first(errors: BaseExceptionGroup[QuarterdeckError]) -> QuarterdeckError:
    """Return the first error in a group, however deep."""
    found: BaseException = errors
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    if not isinstance(found, QuarterdeckError):
        raise found
    return found
