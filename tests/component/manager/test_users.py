"""Users and key pairs with a real manager and database."""

import asyncio

import psycopg
import pytest

from quarterdeck.client.errors import Refused
from quarterdeck.manager.identity.store import UserStore
from quarterdeck.testing import manager_fixtures, racing
from quarterdeck.testing.folder_acts import refusal
from shakeout.waiting.until import until

WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query ILIKE '%%keypairs%%'"
LOCK_USER = "SELECT FROM users WHERE id = %s FOR UPDATE"


async def test_new_user_signs_in_and_a_deleted_one_does_not(cluster, admin, observe):
    """A key pair lives as long as its user. Create, sign in, delete, sign in."""
    made = await admin.users.create("carol")
    async with manager_fixtures.signed_in(cluster, made.keypair) as carol:
        assert (await carol.users.me()).name == "carol"
        await admin.users.delete(made.user.id)
        assert await refusal(carol.users.me()) == "key-inactive"


async def test_database_holds_no_secret(cluster, admin, observe):
    """Whoever reads the database cannot sign. Look for the secret key in every row."""
    made = await admin.users.create("carol")
    for table in ("users", "keypairs"):
        rows = observe.rows(f"SELECT * FROM {table}")
        assert made.keypair.secret_key not in repr(rows)
    await admin.users.delete(made.user.id)


async def test_one_of_many_creates_with_one_name_wins(cluster, admin, observe):
    """Names of users are unique, and free again after deletion. Race, delete, create."""
    made = await racing.at_once(lambda _: admin.users.create("carol"), times=6)
    (carol,), refused = racing.split(made)
    assert refused == ["user-name-taken"] * 5
    await admin.users.delete(carol.user.id)
    again = await admin.users.create("carol")
    await admin.users.delete(again.user.id)


async def test_user_with_live_sessions_stays(cluster, user, admin, observe):
    """Nobody's work is pulled away. Delete a user with a waiting session."""
    session = await user.sessions.create()
    assert await refusal(admin.users.delete(user.id)) == "user-busy"
    await session.terminate()


async def test_user_is_deleted_or_busy_but_not_both(cluster, admin, observe):
    """No session belongs to nobody. Race session creates with the owner's deletion, many times."""
    for number in range(8):
        made = await admin.users.create(f"carol-{number}")
        async with manager_fixtures.signed_in(cluster, made.keypair) as carol:
            refused = await race_delete_and_create(admin, carol, made.user.id, number % 2)
            assert refused in (["user-busy"], ["key-inactive"])
            if refused == ["user-busy"]:
                (view,) = await carol.sessions.list()
                await (await carol.sessions.get(view.id)).terminate()
                await admin.users.delete(made.user.id)


async def race_delete_and_create(admin, carol, carol_id, delete_at):
    def make(at):
        return admin.users.delete(carol_id) if at == delete_at else carol.sessions.create()

    return racing.split(await racing.at_once(make, times=2))[1]


async def test_deletion_that_loses_a_deadlock_is_done_again(admin, observe, platform, database):
    """A race is lost by nobody who asks. Hold a key pair, let the deletion wait for it, then want the user, too."""
    made = await admin.users.create("carol")
    store = UserStore(database)
    with psycopg.connect(platform.address("postgres")) as other:
        other.execute(
            "SET LOCAL deadlock_timeout = '30s'"
        )  # so that the deletion is the one that loses
        other.execute("SELECT FROM keypairs WHERE user_id = %s FOR UPDATE", (made.user.id,))
        async with asyncio.TaskGroup() as group:
            deletion = group.create_task(store.delete(made.user.id))
            await until(lambda: observe.value(WAITING) > 0, within=5)
            await asyncio.to_thread(other.execute, LOCK_USER, (made.user.id,))
            other.commit()
    assert deletion.result()
    assert observe.value("SELECT count(*) FROM keypairs WHERE user_id = %s", made.user.id) == 0


async def test_ordinary_users_manage_nobody(cluster, user, observe):
    """Administration is for administrators. Try as an ordinary user."""
    for attempt in (
        user.users.create("x"),
        user.users.list(),
        user.users.delete(user.id),
        user.agents.list(),
    ):
        assert await refusal(attempt) == "forbidden"


@pytest.mark.cluster(manager=2)
async def test_deleted_user_is_out_at_every_manager(cluster, admin, observe):
    """No manager remembers a key for long. Sign in at the second, delete at the first."""
    made = await admin.users.create("carol")
    async with manager_fixtures.signed_in(cluster, made.keypair, "manager-2") as carol:
        await carol.users.me()
        await admin.users.delete(made.user.id)
        code = await until(
            lambda: denied(carol), satisfied=lambda code: code == "key-inactive", within=2
        )
        assert code == "key-inactive"


async def denied(client):
    try:
        await client.users.me()
    except Refused as refused:
        return refused.code
    return None
