"""Sessions in PostgreSQL as their owners see them; the SQL is in `queries.sql`."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from quarterdeck.base.errors import QuarterdeckError
from quarterdeck.base.gathering import Gathering
from quarterdeck.infra import postgres, queries
from quarterdeck.infra.errors import Unavailable
from quarterdeck.manager import statements
from quarterdeck.manager.identity.model import Principal
from quarterdeck.manager.sessions import additions, books, errors, misfits, model
from quarterdeck.manager.sessions.deadlines import Command, Overdue, timed_out
from quarterdeck.manager.sessions.naming import Holder
from quarterdeck.manager.sessions.termination import Termination
from quarterdeck.wire import images, sessions

LIST_ROWS_MAX = 1000
DOOMED_ROWS_MAX = 500
OVERDUE_ROWS_MAX = 500

_SQL = queries.load(__package__)


class SessionStore:
    """The ports `Sessions`, `Deadlines` and `Dependents` on a database."""

    def __init__(self, database: postgres.Database, manager: str) -> None:
        self._database = database
        self._manager = manager
        self._views = Gathering(self._look)

    async def insert(self, new: model.NewSession) -> model.Inserted:
        """Add a session that is PENDING, or has begun if it has no mounts, nobody else waits and there is room.

        Raises `SessionNameTaken`, `ImageNotFound`, `DependencyNotFound`, `FolderNotMountable`, `OwnerGone`.
        """
        columns = additions.columns(new, self._manager)
        if not new.given.mounts:
            row = await self._database.fetch_one(_SQL["create_session"], columns)
        else:
            row = await self._insert_with_mounts(new, columns | {"kernel": None})
        if row is None:
            raise await self._why_not(new)
        return additions.inserted(new, row)

    async def named(self, owner: str, name: str) -> Holder | None:
        """Return a user's live session of a name."""
        row = await self._database.fetch_one(_SQL["live_named"], {"owner": owner, "name": name})
        view = None if row is None else await self.view(row["id"])
        if row is None or view is None:
            return None
        return Holder(view, row["environment"], sessions.IsolationLevel(row["isolation"]))

    async def overdue(self) -> Sequence[Overdue]:
        """Return running sessions whose time is up by the database's clock, some hundreds at most."""
        rows = await self._database.fetch(_SQL["overdue"], {"limit": OVERDUE_ROWS_MAX})
        return [_overdue(row) for row in rows]

    async def expire(self, overdue: Overdue) -> Sequence[model.Due]:
        """End a session if it still runs and its time is still up. Returns its kernels, which have to end for it."""
        end = overdue.end
        rows = await self._database.fetch(
            _SQL["expire"],
            {"session": overdue.session, "reason": end.reason.value, "detail": end.detail},
        )
        return [model.Due(**row) for row in rows]

    async def cancel_doomed(self) -> Sequence[str]:
        """Cancel sessions that wait for one that has failed or was cancelled; return them. None: there is none more."""
        rows = await self._database.fetch(_SQL["cancel_doomed"], {"limit": DOOMED_ROWS_MAX})
        return [row["id"] for row in rows]

    async def view(self, session: str) -> sessions.SessionView | None:
        """Return a session. Who looks while another look is under way waits for its end, and looks together with all others who do."""
        return await self._views.get(session)

    async def list(
        self, owner: str, query: sessions.SessionQuery
    ) -> Sequence[sessions.SessionView]:
        """Return sessions of a user, the newest first, a thousand at most."""
        statuses = _statuses(query)
        wanted = {
            "owner": owner,
            "statuses": statuses,
            "ended": not sessions.SESSION_TERMINAL.isdisjoint(statuses),
            "limit": LIST_ROWS_MAX,
        }
        rows = await self._database.fetch(_SQL["list_sessions"], wanted)
        return [_view(row) for row in rows]

    async def flush(self, session: str) -> bool:
        """Have a session that was added on disk when this returns; False: the database has lost it. Raises `SessionUnsure`."""
        try:
            found = await self._database.fetch_one(_SQL["flush_session"], {"id": session})
        except Unavailable as error:
            raise errors.SessionUnsure from error
        return found is not None

    async def terminate(self, session: str, by: Principal) -> Termination:
        """End a session that lives, if the user may; return its kernels, which have to end for it."""
        rows = await self._database.fetch(
            _SQL["end_own_session"],
            {
                "id": session,
                "user": by.user,
                "is_admin": by.is_admin,
                "reason": model.Reason.USER_REQUESTED.value,
                "manager": self._manager,
                "seconds": books.CLAIM_SECONDS,
            },
        )
        kernels = [model.Due(row["agent"], row["session"], row["kernel"]) for row in rows]
        if len(rows) != 1 or rows[0]["cluster_size"] > 1 or not rows[0]["claimed"]:
            return Termination(kernels)
        (row,) = rows
        return Termination(kernels, books.ending(row), _view(row))

    async def restart(self, session: str, by: Principal) -> Sequence[model.Due]:
        """RUNNING -> RESTARTING, if the user may; return its kernels, which have to be made anew; none: it was not RUNNING. Raises `FolderNotMountable`."""
        who = {"id": session, "user": by.user, "is_admin": by.is_admin}
        async with self._database.transaction() as tx:
            await statements.fetch(tx, _SQL["lock_mounted_folders"], who)
            unshared = await statements.fetch_one(tx, _SQL["unshared_mount"], who)
            if unshared is not None:
                raise errors.FolderNotMountable(
                    f"What the session mounts at {unshared['path']!r} is not shared with its owner any more"
                )
            rows = await statements.fetch(tx, _SQL["restart_own_session"], who)
        return [model.Due(**row) for row in rows]

    async def force_end(self, session: str, by: Principal) -> bool:
        """End a session at once, if the user may and it lives. Tells whether there is something to destroy."""
        row = await self._database.fetch_one(
            _SQL["force_end_own_session"],
            {"id": session, "user": by.user, "is_admin": by.is_admin},
        )
        return row is not None and bool(row["ended"])

    async def _look(self, wanted: Iterable[str]) -> Mapping[str, sessions.SessionView]:
        rows = await self._database.fetch(_SQL["view_sessions"], {"ids": list(wanted)})
        return {row["id"]: _view(row) for row in rows}

    async def _insert_with_mounts(
        self, new: model.NewSession, columns: statements.Row
    ) -> statements.Row | None:
        async with self._database.transaction() as tx:
            row = await statements.fetch_one(tx, _SQL["create_session"], columns)
            if row is not None:
                await _lock_folders(tx, new)
                await statements.execute(tx, _SQL["insert_mounts"], _mount_columns(new))
        return row

    async def _why_not(self, new: model.NewSession) -> QuarterdeckError:
        facts = {
            "owner": new.owner,
            "image": new.given.image,
            "depends_on": list(new.given.depends_on),
        }
        row = await self._database.fetch_one(_SQL["why_not_inserted"], facts)
        if row is None or not row["owner_lives"]:
            return errors.OwnerGone()
        if (misfit := misfits.of_image(new.given, row["image"])) is not None:
            return misfit
        for at, session in enumerate(new.given.depends_on):
            if session not in row["dependencies"]:
                return errors.DependencyNotFound(
                    f"There is no session {session}", field=f"depends_on.{at}"
                )
        return errors.SessionNameTaken(f"A live session is named {new.given.name!r}", field="name")


async def _lock_folders(tx: postgres.Connection, new: model.NewSession) -> None:
    wanted = [mount.folder for mount in new.given.mounts]
    written = [mount.folder for mount in new.given.mounts if not mount.read_only]
    facts = {"folders": wanted, "written": written, "owner": new.owner}
    await statements.fetch(tx, _SQL["lock_folders"], facts)
    rows = await statements.fetch(tx, _SQL["mountable_folders"], facts)
    found = {row["id"] for row in rows}
    for at, folder in enumerate(wanted):
        if folder not in found:
            raise errors.FolderNotMountable(field=f"mounts.{at}.folder")


def _mount_columns(new: model.NewSession) -> statements.Row:
    return {
        "session": new.id,
        "folders": [mount.folder for mount in new.given.mounts],
        "paths": [mount.path for mount in new.given.mounts],
        "sources": list(new.sources),
        "subpaths": [mount.subpath for mount in new.given.mounts],
        "read_only": [mount.read_only for mount in new.given.mounts],
    }


def _overdue(row: statements.Row) -> Overdue:
    end = timed_out(row["time_out"], row["seconds"])
    is_batch = row["type"] == sessions.SessionType.BATCH
    command = Command(row["kernel"], row["agent"], row["address"]) if is_batch else None
    return Overdue(row["session"], end, command)


def _statuses(query: sessions.SessionQuery) -> list[str]:
    if query.status is not None:
        return [query.status.value]
    return sorted(sessions.SessionStatus if query.all else sessions.SESSION_LIVE)


def _view(row: statements.Row) -> sessions.SessionView:
    kernels = tuple(map(_kernel, row["kernels"] or ()))
    return sessions.SessionView(
        id=row["id"],
        name=row["name"],
        owner=row["owner"],
        image=row["image"],
        image_digest=row["image_digest"],
        status=sessions.SessionStatus(row["status"]),
        slots=sessions.Slots(row["cpu"], row["memory_mib"]),
        created_at=row["created_at"],
        agent=kernels[0].agent if kernels else None,
        reason=row["reason"],
        mounts=tuple(sessions.Mount(*columns) for columns in row["mounts"] or ()),
        terminated_at=row["terminated_at"],
        type=sessions.SessionType(row["type"]),
        command=tuple(row["command"]),
        exit_code=row["exit_code"],
        result=None if row["result"] is None else sessions.SessionResult(row["result"]),
        detail=row["detail"],
        depends_on=tuple(row["depends_on"]),
        cluster_size=row["cluster_size"],
        limits=sessions.Limits(**row["limits"]),
        ports=tuple(row["ports"]),
        isolation=kernels[0].isolation if kernels else None,
        kernels=kernels,
        pull=_pull(kernels),
        batch_seconds=row["batch_seconds"],
        lifetime_seconds=row["lifetime_seconds"],
        idle_seconds=row["idle_seconds"],
        started_at=row["started_at"],
        expires_at=row["expires_at"],
    )


def _pull(kernels: Sequence[sessions.SessionKernel]) -> images.PullProgress | None:
    """Return how far the pull of the first kernel that waits for one has come."""
    return next((one.pull for one in kernels if one.pull is not None), None)


def _kernel(columns: Sequence[Any]) -> sessions.SessionKernel:
    id_, role, index, hostname, agent, status, isolation, pull = columns
    pulls = pull is not None and status == sessions.KernelStatus.PULLING
    return sessions.SessionKernel(
        id=id_,
        role=sessions.KernelRole(role),
        index=index,
        hostname=hostname,
        agent=agent,
        status=sessions.KernelStatus(status),
        isolation=None if isolation is None else sessions.IsolationLevel(isolation),
        pull=images.PullProgress(**pull) if pulls else None,
    )
