"""Requests are signed as the server checks them; answers become values or named errors."""

import json
from datetime import UTC, datetime

import pytest

from quarterdeck.base.errors import ConfigInvalid
from quarterdeck.client import api, request
from quarterdeck.client.errors import OutcomeUnknown, Refused, Unreachable
from quarterdeck.client.request import Credentials, Grant, Request
from quarterdeck.wire import signing

NOW = datetime(2026, 1, 31, 12, 0, 0, tzinfo=UTC)
CREDENTIALS = Credentials("http://127.0.0.1:8091/", "QDAKX", "hush")


def accepted(prepared):
    claim = signing.read_claim(
        prepared.headers["Authorization"], prepared.headers[signing.DATE_HEADER]
    )
    message = signing.Message(
        prepared.method,
        prepared.target,
        prepared.headers["Host"],
        prepared.headers.get("Content-Type", ""),
        prepared.body,
    )
    signing.verify(claim, message, "hush", NOW)
    return claim.access_key


@pytest.mark.parametrize(
    "wanted",
    [
        api.list_sessions(),
        api.list_sessions(status="RUNNING", ended=True),
        api.get_session("a b/ö"),
        api.create_session("python:3.11", slots={"cpu": 1}, environment={"Ä": "ö\n"}),
        api.delete_session("x"),
        Request("GET", "/v1/x", (("q", "a b&c=ö"),)),
    ],
)
def test_prepared_request_is_accepted_by_the_check(wanted):
    prepared = CREDENTIALS.prepare(wanted, NOW)
    assert accepted(prepared) == "QDAKX"
    assert prepared.url == "http://127.0.0.1:8091"
    assert prepared.target.isascii()
    assert " " not in prepared.target


def test_path_of_the_manager_is_kept():
    prepared = Credentials("https://h/qd/", "QDAKX", "hush").prepare(api.list_agents(), NOW)
    assert (prepared.url, prepared.target) == ("https://h", "/qd/v1/agents")
    assert accepted(prepared)


@pytest.mark.parametrize(
    ("url", "access_key"),
    [
        ("", "A"),
        ("h:1", "A"),
        ("ftp://h", "A"),
        ("http://", "A"),
        ("http://h:x", "A"),
        ("http://h:80 ", "A"),
        ("http://h:99999", "A"),
        ("http://[::1", "A"),
        ("http://h", ""),
        ("http://h", "a b"),
    ],
)
def test_unusable_credentials_are_refused(url, access_key):
    with pytest.raises(ConfigInvalid):
        Credentials(url, access_key, "s")


@pytest.mark.parametrize("secret_key", ["hush\n", "h\u00fcsh", "\udcff"])
def test_secret_key_that_cannot_be_one_is_refused(secret_key):
    with pytest.raises(ConfigInvalid, match="the secret key is not in the form of one"):
        Credentials("http://h", "QDAKX", secret_key)


def test_credentials_do_not_print_the_secret():
    assert "hush" not in repr(CREDENTIALS)


def test_token_request_carries_the_token_and_no_signature():
    prepared = request.with_token(Grant("http://p:1/x", "tok"), "GET", "/f", (("path", "a b"),))
    assert prepared.target == "/x/f?path=a+b"
    assert prepared.headers == {"Authorization": "Bearer tok", "Host": "p:1"}


def test_ok_answer_is_its_body():
    assert request.outcome("GET", 200, b"x") == b"x"


def test_problem_becomes_refused():
    body = json.dumps({"code": "user-busy", "detail": "why", "field": "id", "trace": "t"}).encode()
    with pytest.raises(Refused) as refused:
        request.outcome("DELETE", 409, body)
    error = refused.value
    assert (error.status, error.code, error.detail, error.field) == (409, "user-busy", "why", "id")
    assert str(error) == "user-busy (id): why"


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b'{"code":"x"}', b"\xff"])
def test_answer_that_is_no_problem_leaves_it_open(body):
    with pytest.raises(OutcomeUnknown):
        request.outcome("POST", 502, body)
    with pytest.raises(Unreachable):
        request.outcome("GET", 502, body)


def test_answer_of_another_server_is_none():
    """A wrong address leads to a page, or elsewhere. What may have been carried out stays open, what only looks does not."""
    with pytest.raises(Unreachable, match="status 301"):
        request.outcome("GET", 301, b"")
    with pytest.raises(Unreachable, match="not JSON"):
        request.answer("GET", b"<html>")
    with pytest.raises(OutcomeUnknown, match="not JSON"):
        request.answer("POST", b"\xff")


@pytest.mark.parametrize("body", [b"[]", b"null", b'"ok"', b'{"items": {}}', b'{"items": [1]}'])
def test_answer_of_another_form_is_none(body):
    """Other servers speak JSON, too. What is no object, or lists no objects, is no answer of the platform."""
    with pytest.raises(Unreachable, match="JSON of another form"):
        request.answer("GET", body)
    with pytest.raises(OutcomeUnknown, match="JSON of another form"):
        request.answer("DELETE", body)


def test_answer_that_lacks_something_is_none():
    """What the platform always says is missed where it is read, at any depth; what it may say is not."""
    assert request.answer("DELETE", b"") == {}
    found = request.answer("GET", b'{"items": [{"id": "x"}]}')
    assert found["items"][0]["id"] == "x"
    assert found.get("more") is None
    with pytest.raises(Unreachable, match="no 'name', as the platform's"):
        found["items"][0]["name"]
    with pytest.raises(OutcomeUnknown, match="no 'id'"):
        request.answer("POST", b"{}")["id"]
    assert json.loads(json.dumps({**found})) == {"items": [{"id": "x"}]}
