"""Behaviour 66: a signed request that comes again, to the byte, as decision 0117 says. What has a name or an id is done once."""

import json
from functools import partial

import pytest

from quarterdeck.base.clock import SystemClock
from quarterdeck.base.ids import new
from quarterdeck.testing import raw
from shakeout.waiting.until import until

APPEND = "print(open('lines', 'a').write('x'))"
IMAGE = {"image": "python:3.11"}
MADE = "SELECT count(*) FROM sessions WHERE owner_id = %s"


async def twice(send, method, path, given=None):
    """Send the same bytes twice; return the statuses."""
    body = b"" if given is None else json.dumps(given).encode()
    at = SystemClock().now()
    return [(await send(method, path, body, at=at)).status for _ in range(2)]


@pytest.mark.parametrize(
    ("given", "statuses", "made"),
    [
        ({}, [201, 201], 2),
        ({"name": "once"}, [201, 409], 1),
        ({"name": "once", "reuse": True}, [201, 200], 1),
    ],
    ids=["nameless", "named", "reused"],
)
async def test_session_that_has_a_name_is_made_once(user, observe, given, statuses, made):
    """Send the request for a session twice; count the rows."""
    async with raw.as_user(user) as send:
        assert await twice(send, "POST", "/v1/sessions", IMAGE | given) == statuses
    assert observe.value(MADE, user.id) == made


@pytest.mark.parametrize(("run", "lines"), [(None, "xx"), ("id", "x")], ids=["nameless", "named"])
async def test_code_with_an_id_runs_once(user, session, run, lines):
    """Send the request for code twice; look at what it has written."""
    given = {"code": APPEND} | ({"run": new(SystemClock())} if run else {})
    async with raw.as_user(user) as send:
        assert await twice(send, "POST", f"/v1/sessions/{session.id}/execute", given) == [200, 200]
    assert (await session.execute("open('lines').read()")).result == repr(lines)


async def test_end_of_a_session_comes_once(user, session, observe):
    """Send the request to end a session twice; look at its history."""
    async with raw.as_user(user) as send:
        assert await twice(send, "DELETE", f"/v1/sessions/{session.id}?wait=10") == [202, 202]
    steps = [step for _, step in observe.history(session.id)]
    assert steps.count("TERMINATING") == steps.count("TERMINATED") == 1


async def test_restart_comes_again(user, session, observe):
    """Send the request for a restart, and once more when the session runs again; look at its history."""
    at, path = SystemClock().now(), f"/v1/sessions/{session.id}/restart"
    async with raw.as_user(user) as send:
        for count in (1, 2):
            assert (await send("POST", path, at=at)).status == 202
            await until(partial(status, session), within=10, satisfied="RUNNING".__eq__)
            steps = [step for _, step in observe.history(session.id)]
            assert steps.count("RESTARTING") == count


async def status(session):
    return (await session.refresh()).status


async def test_folder_that_was_restored_goes_into_the_trash_again(user, observe):
    """What sets a state sets it again, whatever was done since. Delete a folder, restore it, send the same deletion."""
    folder = await user.folders.create("precious")
    at, path = SystemClock().now(), f"/v1/folders/{folder.id}"
    async with raw.as_user(user) as send:
        assert (await send("DELETE", path, at=at)).status == 200
        assert (await send("POST", f"{path}/restore")).status == 200
        assert (await send("DELETE", path, at=at)).status == 200
    assert observe.value("SELECT status FROM folders WHERE id = %s", folder.id) == "TRASHED"


async def test_key_that_was_taken_away_ends_repetitions(platform, admin):
    """A recorded request is worth nothing without its user. Send one, delete the user, send it again."""
    made = await admin.users.create("carol")
    at, keys = SystemClock().now(), made.keypair
    url = platform.address("manager.http")
    async with raw.signed(url, keys.access_key, keys.secret_key) as send:
        assert (await send("GET", "/v1/users/me", at=at)).status == 200
        await admin.users.delete(made.user.id)
        again = await send("GET", "/v1/users/me", at=at)
    assert (again.status, again.code) == (401, "key-inactive")
