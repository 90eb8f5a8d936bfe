"""The schema on a real PostgreSQL: up and down, and what the database itself refuses whoever asks."""

import asyncio
import contextlib
import hashlib
import itertools
import os
import subprocess
import sys
import uuid
from pathlib import Path

import psycopg
import pytest
from psycopg.rows import dict_row

from quarterdeck.infra import queries
from quarterdeck.manager.migrations import __main__ as migrations
from quarterdeck.manager.migrations import head, schema
from quarterdeck.wire import states

OWNER = uuid.uuid4()
KEPT_LOGS = queries.load("quarterdeck.manager.sessions")["kept_logs"].encode()


@pytest.fixture
def empty_database(cluster):
    """A database without a schema; dropped afterwards."""
    name = f"scratch_{uuid.uuid4().hex}"
    with psycopg.connect(cluster.address("postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
        yield cluster.address("postgres").replace("/quarterdeck?", f"/{name}?")
        connection.execute(f"DROP DATABASE {name} (FORCE)".encode())


@pytest.fixture
def books(cluster):
    """The manager's database in a transaction that is rolled back, with an agent and a user."""
    with psycopg.connect(cluster.address("postgres")) as connection:
        connection.execute(
            "INSERT INTO users (id, name, role) VALUES (%s, 'eve', 'user')", [OWNER]
        )
        connection.execute(
            "INSERT INTO agents (id, instance, address, cpu, memory_mib, status)"
            " VALUES ('box', 'i', 'http://box', 4, 4096, 'ALIVE')"
        )
        yield connection
        connection.rollback()


def tables(url):
    with psycopg.connect(url) as connection:
        found = connection.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace"
            " UNION SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace"
        )
        return {name for (name,) in found}


def set_status(connection, table, thing, status):
    connection.execute(
        f"UPDATE {table} SET status = %s, status_cause = 'test', status_actor = 'test'"
        " WHERE id = %s".encode(),
        [status, thing],
    )


def add_session(connection, status="PENDING"):
    session = uuid.uuid4()
    connection.execute(
        "INSERT INTO sessions (id, owner_id, image, cpu, memory_mib, status, status_cause, status_actor)"
        " VALUES (%s, %s, 'python:3.11', 1, 100, %s, 'test', 'test')",
        [session, OWNER, status],
    )
    return session


def add_kernel(connection, status="SCHEDULED", session=None):
    session, kernel = session or add_session(connection), uuid.uuid4()
    connection.execute(
        "INSERT INTO kernels (id, session_id, agent_id, status, status_cause, status_actor)"
        " VALUES (%s, %s, 'box', %s, 'test', 'test')",
        [kernel, session, status],
    )
    connection.execute(
        "INSERT INTO allocations (kernel_id, agent_id, cpu, memory_mib) VALUES (%s, 'box', 1, 100)",
        [kernel],
    )
    return kernel


def add_folder(connection, status="CREATING"):
    folder = uuid.uuid4()
    connection.execute(
        "INSERT INTO folders (id, owner_id, name, host, status, status_cause, status_actor)"
        " VALUES (%s, %s, 'data', 'local', %s, 'test', 'test')",
        [folder, OWNER, status],
    )
    return folder


def path_to(status, initial, transitions):
    """Return the shortest way from the initial state."""
    paths = [[initial]]
    while paths[0][-1] != status:
        first = paths.pop(0)
        paths += [[*first, after] for before, after in sorted(transitions) if before == first[-1]]
    return paths[0][1:]


MACHINES = {
    "sessions": (
        add_session,
        states.SessionStatus,
        states.SESSION_INITIAL,
        states.SESSION_TRANSITIONS,
    ),
    "kernels": (add_kernel, states.KernelStatus, states.KERNEL_INITIAL, states.KERNEL_TRANSITIONS),
    "folders": (add_folder, states.FolderStatus, states.FOLDER_INITIAL, states.FOLDER_TRANSITIONS),
}
STEPS = [
    (table, *pair)
    for table, (_, status, _, _) in MACHINES.items()
    for pair in itertools.permutations(status, 2)
    if pair[0] != "GONE"  # of such a folder there is no row
]


async def test_schema_goes_up_down_and_up_again(empty_database):
    """Both directions work. Migrate from nothing to the head, back to nothing, and again."""
    nothing = tables(empty_database)
    await asyncio.to_thread(schema.upgrade, empty_database)
    full = tables(empty_database)
    await asyncio.to_thread(schema.downgrade, empty_database, "base")
    assert tables(empty_database) - nothing <= {"alembic_version", "alembic_version_pkc"}
    await asyncio.to_thread(schema.upgrade, empty_database)
    assert tables(empty_database) == full


FIRST = "0001"
FIRST_DIGEST = "18c2e29b8016680b7ea9fc84517a92addadaaea6b4abbd7d6157df5445328c2c"
"""Of the SQL of the first revision, as databases have it."""


def test_the_first_revision_stays_as_databases_have_it():
    """Who has run it does not run it again: what it makes changes by a new revision only. Take its digest."""
    script = Path(schema.__file__).parent / "versions" / f"{FIRST}_pre_initial.upgrade.sql"
    assert hashlib.sha256(script.read_bytes()).hexdigest() == FIRST_DIGEST


async def test_upgrade_keeps_what_earlier_managers_wrote(empty_database):
    """A database with rows goes up and down, and a manager of before, which still runs after the upgrade, can write. Keep logs in the first schema and after the upgrade as earlier managers do; read them as this manager does, then go back."""
    await asyncio.to_thread(schema.upgrade, empty_database, FIRST)
    with psycopg.connect(empty_database, row_factory=dict_row) as connection:
        connection.execute(
            "INSERT INTO users (id, name, role) VALUES (%s, 'eve', 'user')", [OWNER]
        )
        before = keeps_log(connection)
    await asyncio.to_thread(schema.upgrade, empty_database)
    with psycopg.connect(empty_database, row_factory=dict_row) as connection:
        for session in (before, keeps_log(connection)):
            kept = connection.execute(KEPT_LOGS, {"session": session}).fetchone()
            assert kept == {"text": "höi", "written": 3}
    await asyncio.to_thread(schema.downgrade, empty_database, FIRST)
    with psycopg.connect(empty_database) as connection:
        texts = connection.execute("SELECT text FROM session_logs").fetchall()
    assert texts == [("höi",), ("höi",)]


def keeps_log(connection):
    session = add_session(connection)
    connection.execute("INSERT INTO session_logs (session_id, text) VALUES (%s, 'höi')", [session])
    return session


async def test_upgrade_that_has_to_wait_holds_up_nobody_for_long(
    empty_database, monkeypatch, capsys
):
    """All that managers want of a table queues behind the upgrade that waits for it. Read a table in a transaction that does not end, and upgrade; that gives up and says so, and goes through afterwards."""
    monkeypatch.setattr(schema, "LOCK_SECONDS_MAX", 1)
    monkeypatch.setattr(sys, "argv", ["migrations", "upgrade"])
    monkeypatch.setenv("QD_DATABASE_URL", empty_database)
    await asyncio.to_thread(schema.upgrade, empty_database, "0003")
    with psycopg.connect(empty_database) as reader:
        reader.execute("SELECT FROM session_logs")
        async with asyncio.timeout(10):
            assert await asyncio.to_thread(migrations.main) == 1
    assert "nothing was changed, run it again" in capsys.readouterr().err
    assert await asyncio.to_thread(migrations.main) == 0


async def test_two_upgrades_at_once_do_the_work_once(empty_database):
    """Managers that are rolled out together do not collide. Upgrade twice at the same time."""
    upgrade = (sys.executable, "-m", "quarterdeck.manager.migrations", "upgrade")
    environment = {"PYTHONPATH": os.pathsep.join(sys.path), "QD_DATABASE_URL": empty_database}
    both = [
        await asyncio.create_subprocess_exec(*upgrade, env=environment, stderr=subprocess.PIPE)
        for _ in range(2)
    ]
    ends = [await each.communicate() for each in both]
    assert [each.returncode for each in both] == [0, 0], ends
    assert "sessions" in tables(empty_database)


def test_there_is_one_head_and_the_manager_needs_it():
    """No branch is left unmerged. Ask alembic for its heads."""
    assert schema.heads() == [head.HEAD]


@pytest.mark.parametrize(
    ("legal", "states_of", "transitions"),
    [
        (
            "SELECT one, unnest(session_steps(one)) FROM unnest(%s::text[]) AS one",
            states.SessionStatus,
            states.SESSION_TRANSITIONS,
        ),
        (
            "SELECT one, unnest(kernel_steps(one)) FROM unnest(%s::text[]) AS one",
            states.KernelStatus,
            states.KERNEL_TRANSITIONS,
        ),
        (
            "SELECT from_status, to_status FROM folder_transitions WHERE from_status = ANY(%s)",
            states.FolderStatus,
            states.FOLDER_TRANSITIONS,
        ),
    ],
    ids=["sessions", "kernels", "folders"],
)
def test_legal_transitions_in_the_database_are_those_on_the_wire(
    books, legal, states_of, transitions
):
    """There is one truth about states. Ask the database what may follow each; compare with the types."""
    rows = books.execute(legal.encode(), [[*map(str, states_of), "NONSENSE"]]).fetchall()
    assert set(rows) == {(str(before), str(after)) for before, after in transitions}


@pytest.mark.parametrize(("table", "before", "after"), STEPS)
def test_database_allows_exactly_the_legal_transitions(books, table, before, after):
    """No code can break the life cycle. Try each step from each state by SQL."""
    add, _, initial, transitions = MACHINES[table]
    if not any(before == target for _, target in transitions) and before is not initial:
        pytest.fail(f"{before} cannot be reached")
    thing = add(books)
    for status in path_to(before, initial, transitions):
        set_status(books, table, thing, status)
    legal = (before, after) in transitions
    expected = (
        contextlib.nullcontext() if legal else pytest.raises(psycopg.Error, match="no legal")
    )
    with expected as refused:
        set_status(books, table, thing, after)
    if refused is not None:
        assert refused.value.sqlstate == "QD001"


@pytest.mark.parametrize(
    ("add", "status"), [(add_session, "RUNNING"), (add_kernel, "RUNNING"), (add_folder, "READY")]
)
def test_nothing_begins_in_the_middle_of_its_life(books, add, status):
    """Birth is a transition too. Insert in another state."""
    with pytest.raises(psycopg.Error, match="begins") as refused:
        add(books, status)
    assert refused.value.sqlstate == "QD001"


def test_what_was_placed_at_once_has_the_whole_history(books):
    """All states are in the history, however it came there. Insert a session and its kernel CREATING; read the rows."""
    kernel = add_kernel(books, "CREATING", session=add_session(books, "CREATING"))
    rows = books.execute(
        "SELECT kernel_id IS NULL, from_status, to_status, cause FROM session_history"
        " WHERE session_id = (SELECT session_id FROM kernels WHERE id = %s) ORDER BY seq",
        [kernel],
    ).fetchall()
    assert rows == [
        (True, None, "PENDING", "requested"),
        (True, "PENDING", "SCHEDULED", "placed"),
        (True, "SCHEDULED", "CREATING", "test"),
        (False, None, "SCHEDULED", "placed"),
        (False, "SCHEDULED", "CREATING", "test"),
    ]


def test_each_change_leaves_one_row_of_history(books):
    """History is the database's own. Change a session by SQL; read the rows."""
    session = add_session(books)
    set_status(books, "sessions", session, "SCHEDULED")
    books.execute("UPDATE sessions SET status = status, name = 'x' WHERE id = %s", [session])
    rows = books.execute(
        "SELECT from_status, to_status, cause, actor FROM session_history WHERE session_id = %s ORDER BY seq",
        [session],
    ).fetchall()
    assert rows == [(None, "PENDING", "test", "test"), ("PENDING", "SCHEDULED", "test", "test")]


@pytest.mark.parametrize(
    ("table", "change"),
    [
        ("sessions", "cpu = 0"),
        ("sessions", "memory_mib = -1"),
        ("sessions", "cluster_size = 17"),
        ("sessions", "isolation = 'none'"),
        ("sessions", "type = 'other'"),
        ("sessions", "type = 'batch'"),
        ("sessions", "command = '{true}'"),
        ("sessions", "idle_seconds = 0"),
        ("kernels", "role = 'other'"),
        ("kernels", "index = 16"),
        ("kernels", "isolation = 'none'"),
    ],
)
def test_database_refuses_what_makes_no_sense(books, table, change):
    """Whoever writes. Change a session or its kernel by SQL to what none can be; no row becomes so."""
    kernel = add_kernel(books)
    with pytest.raises(psycopg.errors.CheckViolation), books.transaction():
        books.execute(f"UPDATE {table} SET {change}".encode())
    rows = books.execute("SELECT hostname FROM kernels WHERE id = %s", [kernel]).fetchall()
    assert rows == [("main1",)]


def test_a_command_belongs_to_a_batch_session_from_the_beginning(books):
    """One without would end at once. Insert an interactive session with a command by SQL."""
    with pytest.raises(psycopg.errors.CheckViolation):
        books.execute(
            "INSERT INTO sessions (id, owner_id, image, cpu, memory_mib, command, status, status_cause, status_actor)"
            " VALUES (gen_random_uuid(), %s, 'python:3.11', 1, 1, '{true}', 'PENDING', 'test', 'test')",
            [OWNER],
        )


ADD_KERNEL = (
    "INSERT INTO kernels (id, session_id, agent_id, status, status_cause, status_actor)"
    " VALUES (%s, %s, 'box', 'SCHEDULED', 'test', 'test') ON CONFLICT (id) DO "
)


@pytest.mark.parametrize(
    ("conflict", "steps"),
    [
        ("NOTHING", [(None, "SCHEDULED")]),
        ("UPDATE SET status = 'CREATING'", [(None, "SCHEDULED"), ("SCHEDULED", "CREATING")]),
    ],
    ids=["nothing", "update"],
)
def test_kernel_that_is_there_does_not_begin_again(books, conflict, steps):
    """History tells what became of rows, not what was tried. Add a kernel by SQL twice; read the rows."""
    session = add_session(books)
    kernel = add_kernel(books, session=session)
    books.execute((ADD_KERNEL + conflict).encode(), [kernel, session])
    rows = books.execute(
        "SELECT from_status, to_status FROM session_history WHERE kernel_id = %s ORDER BY seq",
        [kernel],
    ).fetchall()
    assert rows == steps


def test_hostname_is_role_and_index_whoever_writes(books):
    """Kernels of a session find each other by it. Change what it is made of by SQL, then itself."""
    kernel = add_kernel(books)
    for change in ("role = 'sub', index = 2", "hostname = 'other'"):
        books.execute(f"UPDATE kernels SET {change} WHERE id = %s".encode(), [kernel])
        found = books.execute("SELECT hostname FROM kernels WHERE id = %s", [kernel]).fetchone()
        assert found == ("sub2",)


def test_history_goes_with_its_session(books):
    """No foreign key holds them together. Delete a session by SQL; its rows are gone, those of another are not."""
    gone, stays = add_session(books), add_session(books)
    books.execute("DELETE FROM sessions WHERE id = %s", [gone])
    rows = books.execute(
        "SELECT session_id FROM session_history WHERE session_id = ANY(%s)", [[gone, stays]]
    ).fetchall()
    assert rows == [(stays,)]


@pytest.mark.parametrize(
    "act",
    [
        "TRUNCATE sessions CASCADE",
        "UPDATE sessions SET id = gen_random_uuid() WHERE id = %(session)s",
        "UPDATE kernels SET id = gen_random_uuid() WHERE id = %(kernel)s",
        "UPDATE kernels SET session_id = %(other)s WHERE id = %(kernel)s",
    ],
)
def test_nothing_leaves_its_history_behind(books, act):
    """History is found by ids, and no foreign key holds it. Try by SQL what would part a session or a kernel from it; the database refuses, and an update that changes no id is one."""
    session = add_session(books)
    facts = {"session": session, "other": add_session(books), "kernel": add_kernel(books)}
    with pytest.raises(psycopg.Error, match="history") as refused, books.transaction():
        books.execute(act.encode(), facts)
    assert refused.value.sqlstate == "QD003"
    books.execute("UPDATE sessions SET id = id WHERE id = %s", [session])
    kept = books.execute("SELECT to_status FROM session_history WHERE session_id = %s", [session])
    assert kept.fetchall() == [("PENDING",)]


def test_slots_come_free_with_the_kernel_and_only_once(books):
    """Freed exactly once. End a kernel by SQL, then free its slots again."""
    kernel = add_kernel(books)
    for status in ("TERMINATING", "TERMINATED"):
        set_status(books, "kernels", kernel, status)
    (freed,) = books.execute(
        "SELECT count(*) FROM allocations WHERE kernel_id = %s AND freed_at IS NOT NULL", [kernel]
    ).fetchone()
    assert freed == 1
    with pytest.raises(psycopg.Error, match="freed already") as refused:
        books.execute("UPDATE allocations SET freed_at = now() WHERE kernel_id = %s", [kernel])
    assert refused.value.sqlstate == "QD002"


def folder_steps(connection, folder):
    return connection.execute(
        "SELECT from_status, to_status, cause FROM folder_history WHERE folder_id = %s ORDER BY seq",
        [folder],
    ).fetchall()


def test_folder_that_is_gone_has_left_its_history_and_no_row(books):
    """The row goes with the last step and no other way. End a folder by SQL; look; then delete one that lives."""
    folder, other = add_folder(books), uuid.uuid4()
    for status in ("READY", "TRASHED", "PURGING", "GONE"):
        set_status(books, "folders", folder, status)
    assert books.execute("SELECT FROM folders WHERE id = %s", [folder]).fetchall() == []
    path = [None, "CREATING", "READY", "TRASHED", "PURGING", "GONE"]
    assert folder_steps(books, folder) == [
        (before, after, "test") for before, after in itertools.pairwise(path)
    ]
    other = add_folder(books)
    with pytest.raises(psycopg.Error, match="not GONE") as refused:
        books.execute("DELETE FROM folders WHERE id = %s", [other])
    assert refused.value.sqlstate == "QD001"


def test_name_and_owner_of_a_folder_change_with_a_row_of_history(books):
    """Names are history, too. Rename by SQL, and change what is none; read the rows."""
    folder = add_folder(books)
    set_status(books, "folders", folder, "READY")
    books.execute(
        "UPDATE folders SET name = 'other', status_cause = 'renamed' WHERE id = %s", [folder]
    )
    books.execute("UPDATE folders SET detail = 'x', name = 'other' WHERE id = %s", [folder])
    assert folder_steps(books, folder)[1:] == [
        ("CREATING", "READY", "test"),
        ("READY", "READY", "renamed"),
    ]
