"""Answers as types: what does not fit came from another server."""

import pytest

from quarterdeck.client import request, typed
from quarterdeck.client.errors import OutcomeUnknown, Unreachable
from quarterdeck.wire.items import Items
from quarterdeck.wire.users import UserView

ADA = b'{"id": "0190a0a0-0000-7000-8000-000000000001", "name": "ada", "role": "user", "created_at": "2026-01-31T11:00:00Z"}'


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"<html>", b"\xff", b'{"items": [{}]}'])
def test_answer_of_another_server_is_none(body):
    with pytest.raises(Unreachable, match="not of the platform's form"):
        typed.read("GET", Items[UserView], body)
    with pytest.raises(OutcomeUnknown, match="not of the platform's form"):
        typed.read("POST", Items[UserView], body)


def test_what_was_looked_at_becomes_a_type():
    assert typed.convert(request.answer("GET", ADA), UserView) == typed.read("GET", UserView, ADA)
    with pytest.raises(Unreachable, match="missing required field"):
        typed.convert(request.answer("GET", b"{}"), UserView)
