"""Behaviour 66: a signature is for one request at one time of one key. Each part of a signed request is changed on its way."""

from datetime import timedelta
from typing import Any

import aiohttp
import msgspec
import pytest
from yarl import URL

from quarterdeck.base.clock import SystemClock
from quarterdeck.wire import signing

BODY = b'{"name": "signed", "image": "python:3.11"}'
OTHER_BODY = b'{"name": "forged", "image": "python:3.11"}'
PATH = "/v1/sessions?wait=0"
KIND = "application/json"
CHANGES: dict[str, dict[str, Any]] = {
    "the path": {"target": "/v1/folders"},
    "the path's spelling": {"target": "/v1/%73essions?wait=0"},
    "the query": {"target": "/v1/sessions?wait=1"},
    "no query": {"target": "/v1/sessions"},
    "a parameter more": {"target": "/v1/sessions?wait=0&wait=0"},
    "the method": {"method": "GET", "body": b""},
    "the method alone": {"method": "PUT"},
    "the body": {"body": OTHER_BODY},
    "a byte more": {"body": BODY + b" "},
    "no body": {"body": b""},
    "the host": {"Host": "other.example:8091"},
    "the host's port": {"Host": "127.0.0.1"},
    "the content type": {"Content-Type": "text/plain"},
    "whom it is for": {signing.AUDIENCE_HEADER: "agent"},
    "the date": {signing.DATE_HEADER: "later"},
    "an unknown header": {"X-Other": "1", "body": OTHER_BODY},
}


async def sent(user, at=None, keypair=None, **change):
    """Sign a request for a session as a user, change parts of it, send it; return status and code."""
    url = URL(user.url)
    method, target, body = "POST", PATH, BODY
    key = keypair or user.keypair
    now = at or SystemClock().now()
    message = signing.Message(method, target, url.authority, KIND, body)
    headers = signing.sign(message, key.access_key, key.secret_key, now)
    headers |= {"Content-Type": KIND, "Host": url.authority}
    method, target, body = (
        change.pop(name, given)
        for name, given in (("method", method), ("target", target), ("body", body))
    )
    if change.get(signing.DATE_HEADER) == "later":
        change[signing.DATE_HEADER] = (now + timedelta(seconds=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    async with (
        aiohttp.ClientSession(skip_auto_headers=("Content-Type",)) as http,
        http.request(
            *(method, URL(user.url + target, encoded=True)),
            data=body or None,
            headers=headers | change,
        ) as answer,
    ):
        return answer.status, answer.headers.get("X-Problem-Code")


@pytest.mark.parametrize("change", CHANGES)
async def test_request_that_was_changed_on_its_way_is_refused(cluster, user, observe, change):
    """All parts are signed. Change one after signing: refused, and nothing is done."""
    assert await sent(user, **CHANGES[change]) == (401, "signature-mismatch")
    assert observe.value("SELECT count(*) FROM sessions WHERE owner_id = %s", user.id) == 0


@pytest.mark.parametrize("field", ["access_key", "secret_key"])
async def test_half_of_another_key_pair_opens_nothing(cluster, user, other_user, observe, field):
    """Access key and secret belong together. Sign with the one of the one and the other of another user."""
    mixed = msgspec.structs.replace(user.keypair, **{field: getattr(other_user.keypair, field)})
    assert await sent(user, keypair=mixed) == (401, "signature-mismatch")
    owners = [user.id, other_user.id]
    assert observe.rows("SELECT id FROM sessions WHERE owner_id = ANY(%s)", owners) == []


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (-298, (201, None)),
        (298, (201, None)),
        (-302, (401, "date-skewed")),
        (302, (401, "date-skewed")),
    ],
)
async def test_clocks_may_differ_by_five_minutes(cluster, user, observe, seconds, expected):
    """Inside the limit it is good, outside not. Sign with dates on both sides of it."""
    at = SystemClock().now() + timedelta(seconds=seconds)
    assert await sent(user, at=at) == expected
    made = observe.value("SELECT count(*) FROM sessions WHERE owner_id = %s", user.id)
    assert made == (expected[0] == 201)
