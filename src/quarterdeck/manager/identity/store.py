"""Users and key pairs in PostgreSQL; the SQL is in `queries.sql`."""

from collections.abc import Sequence

from quarterdeck.infra import postgres, queries
from quarterdeck.manager import statements
from quarterdeck.manager.identity import errors, model
from quarterdeck.wire import users

_SQL = queries.load(__package__)
ADMIN_NAME = "admin"


class UserStore:
    """The port `Users` on a database."""

    def __init__(self, database: postgres.Database) -> None:
        self._database = database

    async def insert(self, user: str, given: users.UserCreate, access_key: str) -> users.UserView:
        """Add a user with a first key pair. Raises `UserNameTaken`."""
        async with self._database.transaction() as tx:
            row = await statements.fetch_one(
                tx,
                _SQL["insert_user"],
                {"id": user, "name": given.name, "role": given.role.value},
            )
            if row is None:
                raise errors.UserNameTaken(f"A user is named {given.name!r}", field="name")
            await statements.execute(
                tx, _SQL["insert_keypair"], {"access_key": access_key, "user": user}
            )
        return _view(row)

    async def ensure_admin(self, user: str, access_key: str) -> None:
        """Make the key pair an active one of the user `admin`, who is added with this id if missing."""
        async with self._database.transaction() as tx:
            await statements.execute(
                tx,
                _SQL["insert_user"],
                {"id": user, "name": ADMIN_NAME, "role": users.Role.ADMIN.value},
            )
            admin = await statements.fetch_one(tx, _SQL["user_named"], {"name": ADMIN_NAME})
            if admin is not None:
                await statements.execute(
                    tx, _SQL["insert_keypair"], {"access_key": access_key, "user": admin["id"]}
                )

    async def principal(self, access_key: str) -> model.Principal | None:
        """Return who has this key, or None: it is not active."""
        row = await self._database.look_one(_SQL["principal"], {"access_key": access_key})
        return None if row is None else model.Principal(row["id"], users.Role(row["role"]))

    async def view(self, user: str) -> users.UserView | None:
        """Return a user."""
        row = await self._database.look_one(_SQL["view_user"], {"id": user})
        return None if row is None else _view(row)

    async def list(self) -> Sequence[users.UserView]:
        """Return all users, the oldest first."""
        return [_view(row) for row in await self._database.look(_SQL["list_users"])]

    async def delete(self, user: str) -> bool:
        """Delete a user with keys and folders, whose trees are then to be removed; False: no such user. Raises `UserBusy`."""
        who = {"id": user}

        async def work(tx: postgres.Connection) -> bool:
            if await statements.fetch_one(tx, _SQL["lock_user"], who) is None:
                return False
            await statements.fetch(tx, _SQL["lock_folders_of"], who)
            busy = await statements.fetch_one(tx, _SQL["user_is_busy"], who)
            if busy is not None and busy["has_sessions"]:
                raise errors.UserBusy
            if busy is not None and busy["is_mounted"]:
                raise errors.UserBusy("A live session of another mounts a folder of the user")
            await statements.execute(tx, _SQL["delete_folders_of"], who)
            await statements.execute(tx, _SQL["delete_keypairs_of"], who)
            await statements.execute(tx, _SQL["mark_user_deleted"], who)
            return True

        return await self._database.retrying(work)


def _view(row: statements.Row) -> users.UserView:
    return users.UserView(
        id=row["id"], name=row["name"], role=users.Role(row["role"]), created_at=row["created_at"]
    )
