"""Rescans in PostgreSQL; the SQL is in `queries.sql`. One manager has a rescan at a time: it holds a claim that ends by itself."""

from quarterdeck.infra import postgres, queries
from quarterdeck.manager.images import model
from quarterdeck.wire import images

CLAIM_SECONDS = 30.0
KEPT = 20
"""Rescans of a registry that are remembered."""

_SQL = queries.load(__package__)


class RescanStore:
    """The port `Rescans` on a database, for one manager."""

    def __init__(self, database: postgres.Database, manager: str) -> None:
        self._database = database
        self._manager = manager

    async def request(self, rescan: str, registry: str) -> images.RescanView | None:
        """Ask for a rescan; return the one that is under way, or this one. None: there is no such registry."""
        facts = {"id": rescan, "registry": registry, "kept": KEPT}
        await self._database.execute(_SQL["request_rescan"], facts)
        await self._database.execute(_SQL["forget_rescans"], facts)
        return await self.latest(registry)

    async def latest(self, registry: str) -> images.RescanView | None:
        """Return the newest rescan of a registry with its results."""
        row = await self._database.fetch_one(
            _SQL["latest_rescan"], {"registry": registry, "limit": images.REPOSITORIES_MAX}
        )
        if row is None:
            return None
        results = tuple(
            images.RepositoryResult(**{**one, "problems": tuple(one["problems"])})
            for one in row["results"] or ()
        )
        status = images.RescanStatus(row["status"])
        return images.RescanView(**{**row, "status": status, "results": results})

    async def cancel(self, registry: str) -> bool:
        """End the rescan that is under way; False: none is."""
        return bool(await self._database.execute(_SQL["cancel_rescan"], {"registry": registry}))

    async def claim(self) -> model.Claim | None:
        """Begin a rescan that waits, or one whose manager has gone; None: there is nothing to do."""
        who = {"manager": self._manager, "seconds": CLAIM_SECONDS}
        row = await self._database.fetch_one(_SQL["claim_rescan"], who)
        if row is None:
            return None
        rescan = row.pop("rescan")
        return model.Claim(
            rescan, model.Registry(**{**row, "repositories": tuple(row["repositories"])})
        )

    async def hold(self, claim: model.Claim) -> bool:
        """Keep a claim for some longer; False: it is not ours any more, or was cancelled."""
        facts = {**self._ours(claim), "seconds": CLAIM_SECONDS}
        return bool(await self._database.execute(_SQL["hold_rescan"], facts))

    async def begin(self, claim: model.Claim, repositories: int) -> None:
        """Note how many repositories there are to look at."""
        facts = {**self._ours(claim), "repositories": repositories}
        await self._database.execute(_SQL["begin_rescan"], facts)

    async def end(self, claim: model.Claim, reason: str | None) -> None:
        """End a rescan: done, or failed for a reason."""
        facts = {**self._ours(claim), "reason": reason}
        await self._database.execute(_SQL["end_rescan"], facts)

    async def release(self) -> None:
        """Give back what an earlier life of this manager had claimed."""
        await self._database.execute(_SQL["release_rescans"], {"manager": self._manager})

    def _ours(self, claim: model.Claim) -> dict[str, str]:
        return {"rescan": claim.rescan, "manager": self._manager}
