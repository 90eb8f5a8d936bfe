"""How a manager starts and stops: what it insists on, what it leaves behind."""

import asyncio
import contextlib
import subprocess
import sys
import uuid

import psycopg
import pytest

from quarterdeck.manager.migrations import head
from quarterdeck.testing import manager_fixtures, raw, system
from quarterdeck.wire import signing


def environment(cluster, **changes):
    """Return what a manager needs to start as a process beside the cluster's own."""
    return {"PYTHONPATH": ":".join(sys.path), **manager_fixtures.beside(cluster), **changes}


async def run(variables):
    """Run a manager to its end; return exit code and what it said."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "quarterdeck.manager", env=variables, stderr=subprocess.PIPE
    )
    async with asyncio.timeout(60):
        _, said = await process.communicate()
    return process.returncode, said.decode()


@contextlib.contextmanager
def empty_database(cluster):
    name = f"empty_{uuid.uuid4().hex}"
    with psycopg.connect(cluster.address("postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
        yield cluster.address("postgres").replace("/quarterdeck?", f"/{name}?")
        connection.execute(f"DROP DATABASE {name} (FORCE)".encode())


async def test_manager_refuses_a_database_that_is_not_migrated(cluster):
    """A wrong schema is no surprise in the middle of the night. Start on an empty database."""
    with empty_database(cluster) as url:
        code, said = await run(environment(cluster, QD_DATABASE_URL=url))
    assert code == 1
    assert "quarterdeck.manager.migrations upgrade" in said
    assert head.HEAD in said


async def test_manager_names_the_variable_that_is_missing(cluster):
    """A configuration error is one line. Start without the master key."""
    code, said = await run(environment(cluster, QD_MASTER_KEY=""))
    assert code == 2
    assert said == "manager: configuration: QD_MASTER_KEY is not set\n"


async def test_configured_administrator_is_there_from_the_start(cluster, admin, observe):
    """Somebody can sign in to an empty platform. Ask who the administrator is."""
    me = await admin.users.me()
    assert (me.name, str(me.role)) == ("admin", "admin")
    keys = observe.rows("SELECT access_key FROM keypairs WHERE user_id = %s", me.id)
    assert system.keys.admin_access_key in [row["access_key"] for row in keys]


async def test_manager_registers_itself_while_it_serves(private_cluster, observe):
    """Others find it, and do not find it any more. Look into etcd, stop it, look again."""
    key = "/quarterdeck/nodes/manager/manager"
    assert observe.etcd.lease_of(key) is not None
    await private_cluster.stop("manager")
    assert observe.etcd.get(key) is None


async def test_manager_stops_although_somebody_waits(private_cluster, user, admin):
    """A long poll holds nobody up. Stop the manager while one waits; it is answered."""
    session = await user.sessions.create()
    (row,) = await session.history()
    wanted = f"/v1/sessions/{session.id}/history?after={row.seq}&wait=30"
    async with raw.as_user(user) as send, asyncio.TaskGroup() as group:
        answer = group.create_task(send("GET", wanted))
        for _ in range(3):  # requests that come after the first one and are answered
            await admin.users.me()
        async with asyncio.timeout(3):
            await private_cluster.stop("manager")
    assert answer.result().status == 200


@pytest.mark.parametrize("service", ["postgres", "redis", "etcd"])
async def test_health_names_the_service_that_is_away(private_cluster, service):
    """Not being able to work is said. Stop a service and ask."""
    async with raw.bearer(private_cluster.address("manager.http"), "nobody") as send:
        assert (await send("GET", "/health")).status == 200
        await private_cluster.kill(service)
        answer = await send("GET", "/health")
    assert answer.status == 503
    assert b"does not answer" in answer.body


def test_derived_secret_is_the_one_that_users_get():
    """Manager and user agree without a store. Derive it."""
    keys = system.keys
    derived = signing.derive_secret(keys.master, keys.admin_access_key)
    assert derived == keys.admin_secret_key
