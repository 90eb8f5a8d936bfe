"""Bad input to every address of the manager: a problem with a stable code and the field, never a 500, and nothing changes."""

import json
from datetime import timedelta

import pytest

from quarterdeck.base.clock import SystemClock
from quarterdeck.testing import raw, system

ID = "00000000-0000-7000-8000-000000000000"
TABLES = ("users", "keypairs", "sessions", "session_mounts", "folders", "tree_removals", "kernels")

SESSION = {"image": "python:3.11"}
FOLDER = {"name": "data", "host": "local"}
MOUNT = {"folder": ID, "path": "in"}

BODIES = [
    ("/v1/users", {}, "missing-field", "name"),
    ("/v1/users", {"name": 1}, "invalid-field", "name"),
    ("/v1/users", {"name": "A b"}, "invalid-field", "name"),
    ("/v1/users", {"name": "a", "role": "king"}, "invalid-field", "role"),
    ("/v1/users", {"name": "a", "extra": 1}, "unknown-field", "extra"),
    ("/v1/sessions", {}, "missing-field", "image"),
    ("/v1/sessions", {"image": ""}, "invalid-field", "image"),
    ("/v1/sessions", {"image": "no:such"}, "image-not-found", "image"),
    ("/v1/sessions", {**SESSION, "slots": {"cpu": 0}}, "invalid-field", "slots.cpu"),
    ("/v1/sessions", {**SESSION, "slots": {"cpu": 10**30}}, "invalid-field", "slots.cpu"),
    ("/v1/sessions", {**SESSION, "slots": {"cpu": "1"}}, "invalid-field", "slots.cpu"),
    ("/v1/sessions", {**SESSION, "slots": {"gpu": 1}}, "unknown-field", "slots.gpu"),
    ("/v1/sessions", {**SESSION, "name": "x" * 64}, "invalid-field", "name"),
    ("/v1/sessions", {**SESSION, "name": "x\n"}, "invalid-field", "name"),
    ("/v1/sessions", {**SESSION, "name": ""}, "invalid-field", "name"),
    ("/v1/sessions", {**SESSION, "mounts": [MOUNT]}, "folder-not-found", "mounts.0.folder"),
    (
        "/v1/sessions",
        {**SESSION, "mounts": [{**MOUNT, "path": "../x"}]},
        "invalid-field",
        "mounts.0.path",
    ),
    (
        "/v1/sessions",
        {**SESSION, "mounts": [{**MOUNT, "path": "/x"}]},
        "invalid-field",
        "mounts.0.path",
    ),
    ("/v1/sessions", {**SESSION, "mounts": [MOUNT, MOUNT]}, "invalid-field", "mounts.1.path"),
    (
        "/v1/sessions",
        {**SESSION, "mounts": [{**MOUNT, "folder": "x"}]},
        "invalid-field",
        "mounts.0.folder",
    ),
    ("/v1/sessions", {**SESSION, "environment": {"A B": "1"}}, "invalid-field", "environment"),
    ("/v1/sessions", {**SESSION, "environment": {"A": "\0"}}, "invalid-field", "environment"),
    ("/v1/folders", {}, "missing-field", "name"),
    ("/v1/folders", {**FOLDER, "name": ".."}, "invalid-field", "name"),
    ("/v1/folders", {**FOLDER, "name": ""}, "invalid-field", "name"),
    ("/v1/folders", {**FOLDER, "host": ""}, "invalid-field", "host"),
    ("/v1/folders", {**FOLDER, "host": "no-such"}, "host-not-found", "host"),
    (f"/v1/folders/{ID}/grants", {"right": "all"}, "invalid-field", "right"),
    (f"/v1/folders/{ID}/grants", {"right": "read"}, "folder-not-found", None),
    (f"/v1/sessions/{ID}/execute", {"code": 1}, "invalid-field", "code"),
    (f"/v1/sessions/{ID}/execute", {"code": "x" * 300_000}, "invalid-field", "code"),
    (f"/v1/sessions/{ID}/execute", {"code": "1"}, "session-not-found", None),
]
ADDRESSES = [
    ("GET", "/v1/sessions/x", "invalid-field", "id"),
    ("GET", f"/v1/sessions/{ID.upper()[:-1]}A", "invalid-field", "id"),
    ("GET", f"/v1/sessions/{ID}", "session-not-found", None),
    ("GET", f"/v1/sessions/{ID}/history", "session-not-found", None),
    ("GET", f"/v1/sessions/{ID}/logs", "session-not-found", None),
    ("DELETE", f"/v1/sessions/{ID}", "session-not-found", None),
    ("DELETE", "/v1/sessions/%00", "invalid-field", "id"),
    ("GET", "/v1/sessions?status=DONE", "invalid-field", "status"),
    ("GET", "/v1/sessions?all=perhaps", "invalid-field", "all"),
    ("GET", "/v1/sessions?what=1", "unknown-field", "what"),
    ("GET", "/v1/sessions?all=1&all=1", "invalid-field", "all"),
    ("GET", f"/v1/sessions/{ID}/history?wait=31", "invalid-field", "wait"),
    ("GET", f"/v1/sessions/{ID}/history?wait=nan", "invalid-field", "wait"),
    ("GET", f"/v1/sessions/{ID}/history?wait=1&until=NEVER", "invalid-field", "until"),
    ("GET", f"/v1/sessions/{ID}/history?after=-1", "invalid-field", "after"),
    ("GET", f"/v1/sessions/{ID}/history?after={2**63}", "invalid-field", "after"),
    ("GET", "/v1/folders/x", "invalid-field", "id"),
    ("GET", f"/v1/folders/{ID}", "folder-not-found", None),
    ("DELETE", f"/v1/folders/{ID}", "folder-not-found", None),
    ("GET", "/v1/folders?x=1", "unknown-field", "x"),
    ("DELETE", f"/v1/users/{ID}", "user-not-found", None),
    ("DELETE", "/v1/users/me", "invalid-field", "id"),
    ("GET", "/v1/agents?x=1", "unknown-field", "x"),
    ("GET", "/v1/images?x=1", "unknown-field", "x"),
    ("GET", "/v2/sessions", "route-not-found", None),
    ("PUT", "/v1/sessions", "method-not-allowed", None),
]


@pytest.fixture
def unchanged(observe):
    """Fail the test if it changes the database."""
    before = dump(observe)
    yield
    assert dump(observe) == before


def dump(observe):
    return {table: observe.rows(f"SELECT * FROM {table} ORDER BY 1") for table in TABLES}


def as_admin(cluster):
    keys = system.keys
    url = cluster.address("manager.http")
    return raw.signed(url, keys.admin_access_key, keys.admin_secret_key)


def judge(answer, code, field):
    assert (answer.code, answer.field) == (code, field)
    assert 400 <= answer.status < 500
    assert answer.content_type == "application/problem+json"


@pytest.mark.parametrize(("path", "body", "code", "field"), BODIES)
async def test_body_that_does_not_fit_is_refused(cluster, unchanged, path, body, code, field):
    """The field at fault is named. Send the body, signed properly."""
    async with as_admin(cluster) as send:
        judge(await send("POST", path, json.dumps(body).encode()), code, field)


@pytest.mark.parametrize(("method", "path", "code", "field"), ADDRESSES)
async def test_address_that_does_not_fit_is_refused(cluster, unchanged, method, path, code, field):
    """Path and query are read as strictly as bodies. Send the request, signed properly."""
    async with as_admin(cluster) as send:
        judge(await send(method, path), code, field)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "unsupported-media-type"),
        (b"{", "malformed-json"),
        (b"\xff\xfe", "malformed-json"),
        (b'{"image": "\xff"}', "malformed-json"),
        (b"[" * 100_000, "invalid-field"),
        (b"[]", "invalid-field"),
        (b'{"image": "python:3.11", "environment": {"A": "\\ud800"}}', "malformed-json"),
        (b"x" * (1024 * 1024 + 1), "body-too-large"),
    ],
)
async def test_body_that_is_no_object_of_json_is_refused(cluster, unchanged, body, code):
    """Any bytes get an answer. Send them as JSON."""
    async with as_admin(cluster) as send:
        judge(await send("POST", "/v1/sessions", body), code, None)


async def test_other_content_type_is_refused(cluster, unchanged):
    """Only JSON is read as JSON. Send a form."""
    async with as_admin(cluster) as send:
        answer = await send("POST", "/v1/users", b"name=x", content_type="text/plain")
        judge(answer, "unsupported-media-type", None)


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"Authorization": "Bearer x"}, "unauthenticated"),
        ({"Authorization": ""}, "unauthenticated"),
        ({"X-Quarterdeck-Date": "yesterday"}, "unauthenticated"),
        ({"X-Quarterdeck-Date": "2026-13-45T99:00:00Z"}, "unauthenticated"),
        ({"Content-Type": "application/json; charset=x"}, "signature-mismatch"),
    ],
)
async def test_request_with_wrong_credentials_is_refused(cluster, unchanged, headers, code):
    """Whoever cannot prove who they are gets nothing. Replace a header after signing."""
    body = json.dumps(FOLDER).encode()
    async with as_admin(cluster) as send:
        answer = await send("POST", "/v1/folders", body, changed=headers)
    assert (answer.status, answer.code) == (401, code)


@pytest.mark.parametrize("seconds", [-301, 301])
async def test_request_from_another_time_is_refused(cluster, unchanged, seconds):
    """A recorded request is worth nothing for long. Sign with a date that is too far away."""
    at = SystemClock().now() + timedelta(seconds=seconds)
    async with as_admin(cluster) as send:
        answer = await send("GET", "/v1/sessions", at=at)
    assert (answer.status, answer.code) == (401, "date-skewed")


@pytest.mark.parametrize("method", ["GET", "DELETE"])
@pytest.mark.parametrize("what", ["", "/history", "/logs"])
async def test_session_of_another_does_not_exist(user, other_user, observe, method, what):
    """What is not one's own looks like what is not there. Ask for another's session."""
    session = await other_user.sessions.create()
    before = dump(observe)
    async with raw.as_user(user) as send:
        answer = await send(method, f"/v1/sessions/{session.id}{what}")
    expected = "method-not-allowed" if method == "DELETE" and what else "session-not-found"
    judge(answer, expected, None)
    assert dump(observe) == before
