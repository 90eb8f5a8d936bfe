"""Images and registries in PostgreSQL; the SQL is in `queries.sql`. Rescans have `rescans_store`."""

import json
from collections.abc import Mapping, Sequence

import msgspec

from quarterdeck.infra import postgres, queries
from quarterdeck.manager import statements
from quarterdeck.manager.images import errors, model
from quarterdeck.wire import images, pages

_SQL = queries.load(__package__)


class ImageStore:
    """The ports `Images` and `Registries` on a database. `manager` is the one that writes what rescans find."""

    def __init__(self, database: postgres.Database, manager: str) -> None:
        self._database = database
        self._manager = manager

    async def list(self, *, missing: bool, after: str = "") -> Sequence[images.ImageView]:
        """Return the images by name, with those that are missing or without, from one name on, some hundreds at most."""
        wanted = {"missing": missing, "name": None, "after": after, "limit": pages.IMAGES_MAX}
        rows = await self._database.fetch(_SQL["list_images"], wanted)
        return [_view(row) for row in rows]

    async def get(self, name: str) -> images.ImageView | None:
        """Return an image, also a missing one."""
        wanted = {"missing": True, "name": name, "after": "", "limit": 1}
        row = await self._database.fetch_one(_SQL["list_images"], wanted)
        return None if row is None else _view(row)

    async def known(self, registry: str, repository: str) -> Mapping[str, images.ImageVariant]:
        """Return by digest what is known of the images of a repository."""
        rows = await self._database.fetch(
            _SQL["known_variants"], {"registry": registry, "repository": repository}
        )
        return {row["digest"]: images.ImageVariant(**row) for row in rows}

    async def record(self, claim: model.Claim, seen: model.Seen) -> None:
        """Write what was seen of a repository, all or nothing; nothing if the rescan is not this manager's any more."""
        where = {"registry": claim.registry.id, "repository": seen.repository}

        async def work(tx: postgres.Connection) -> None:
            if not await self._ours(tx, claim):
                return
            for tagged in seen.images:
                await _write(tx, claim, seen.repository, tagged)
            missing = await statements.execute(
                tx, _SQL["mark_missing"], {**where, "tags": sorted(seen.tags)}
            )
            result = images.RepositoryResult(
                repository=seen.repository,
                images=len(seen.images),
                missing=missing,
                problems=model.told(seen).problems,
            )
            await _add_result(tx, claim, result)

        await self._database.retrying(work)

    async def failed(self, claim: model.Claim, repository: str, problem: str) -> None:
        """Write that a repository could not be looked at; its images stay as they are."""
        result = images.RepositoryResult(repository=repository, images=0, problems=(problem,))

        async def work(tx: postgres.Connection) -> None:
            if await self._ours(tx, claim):
                await _add_result(tx, claim, result)

        await self._database.retrying(work)

    async def forget_repositories(self, claim: model.Claim, there: Sequence[str]) -> None:
        """Mark the images of all other repositories of a registry as missing, with a result for each."""

        async def work(tx: postgres.Connection) -> None:
            if await self._ours(tx, claim):
                facts = {
                    "registry": claim.registry.id,
                    "rescan": claim.rescan,
                    "there": list(there),
                }
                await statements.execute(tx, _SQL["mark_repositories_missing"], facts)

        await self._database.retrying(work)

    async def insert_registry(
        self, registry: str, given: images.RegistryCreate
    ) -> images.RegistryView:
        """Add a registry. Raises `RegistryNameTaken`."""
        facts = {**msgspec.structs.asdict(given), "repositories": list(given.repositories)}
        row = await self._database.fetch_one(_SQL["insert_registry"], {**facts, "id": registry})
        if row is None:
            raise errors.RegistryNameTaken(f"A registry is named {given.name!r}", field="name")
        return images.RegistryView(
            id=registry, created_at=row["created_at"], **msgspec.structs.asdict(given)
        )

    async def list_registries(self) -> Sequence[images.RegistryView]:
        """Return all registries by name."""
        rows = await self._database.fetch(_SQL["list_registries"])
        return [
            images.RegistryView(**{**row, "repositories": tuple(row["repositories"])})
            for row in rows
        ]

    async def delete_registry(self, registry: str) -> bool:
        """Forget a registry with its images; those of sessions stay, as missing. False: there is no such registry."""
        which = {"registry": registry}

        async def work(tx: postgres.Connection) -> bool:
            if await statements.fetch_one(tx, _SQL["lock_registry"], which) is None:
                return False
            await statements.execute(tx, _SQL["lock_images_of"], which)
            await statements.execute(tx, _SQL["delete_images_of"], which)
            await statements.execute(tx, _SQL["mark_images_of_missing"], which)
            await statements.execute(tx, _SQL["delete_registry"], which)
            return True

        return await self._database.retrying(work)

    async def _ours(self, tx: postgres.Connection, claim: model.Claim) -> bool:
        who = {"rescan": claim.rescan, "manager": self._manager}
        return await statements.fetch_one(tx, _SQL["lock_rescan"], who) is not None


async def _add_result(
    tx: postgres.Connection, claim: model.Claim, result: images.RepositoryResult
) -> None:
    facts = {**msgspec.structs.asdict(result), "rescan": claim.rescan}
    facts["problems"] = list(result.problems)
    await statements.execute(tx, _SQL["insert_result"], facts)
    await statements.execute(tx, _SQL["count_done"], {"rescan": claim.rescan})


async def _write(
    tx: postgres.Connection, claim: model.Claim, repository: str, tagged: model.Tagged
) -> None:
    name = model.image_name(claim.registry.name, repository, tagged.tag)
    architectures = [one.architecture for one in tagged.variants]
    cpu, memory = model.minimums(tagged.variants)
    image = {
        "name": name,
        "registry": claim.registry.id,
        "repository": repository,
        "tag": tagged.tag,
        "digest": tagged.digest,
        "architectures": architectures,
        "cpu_min": cpu,
        "memory_mib_min": memory,
    }
    await statements.execute(tx, _SQL["upsert_image"], image)
    gone = {"name": name, "architectures": architectures}
    await statements.execute(tx, _SQL["delete_variants"], gone)
    for one in tagged.variants:
        facts = {**msgspec.structs.asdict(one), "image": name, "labels": json.dumps(one.labels)}
        await statements.execute(tx, _SQL["upsert_variant"], facts)


def _view(row: statements.Row) -> images.ImageView:
    variants = tuple(images.ImageVariant(**one) for one in row.pop("variants") or ())
    return images.ImageView(**row, variants=variants)
