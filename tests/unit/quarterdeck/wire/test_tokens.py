"""A token says one tree, one right, one deadline; whatever is changed in it makes it worthless."""

import base64
import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quarterdeck.wire import tokens
from quarterdeck.wire.errors import TokenExpired, TokenInvalid
from quarterdeck.wire.folders import Right

NOW = datetime(2026, 1, 31, 12, 0, 0, tzinfo=UTC)
KEY = "token-key"
TREE = "0190a0a0-0000-7000-8000-000000000001"
TOKEN = tokens.StorageToken(
    host="local", tree=TREE, right=Right.READ, exp=int(NOW.timestamp()) + 60
)


def encoded(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def test_token_comes_back_as_it_was():
    assert tokens.verify(tokens.sign(TOKEN, KEY), KEY, NOW) == TOKEN


def test_write_includes_read_and_not_the_reverse():
    write = tokens.StorageToken(host="local", tree=TREE, right=Right.WRITE, exp=1)
    assert write.allows(Right.READ)
    assert write.allows(Right.WRITE)
    assert TOKEN.allows(Right.READ)
    assert not TOKEN.allows(Right.WRITE)


def test_token_ends_at_its_deadline():
    text = tokens.sign(TOKEN, KEY)
    tokens.verify(text, KEY, NOW + timedelta(seconds=59))
    with pytest.raises(TokenExpired):
        tokens.verify(text, KEY, NOW + timedelta(seconds=60))


def test_other_key_is_refused():
    with pytest.raises(TokenInvalid):
        tokens.verify(tokens.sign(TOKEN, "other"), KEY, NOW)


@pytest.mark.parametrize("change", [{"tree": TREE[:-1] + "2"}, {"right": "write"}, {"exp": 2**40}])
def test_changed_claims_are_refused(change):
    header, payload, signature = tokens.sign(TOKEN, KEY).split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    forged = encoded(json.dumps(claims | change).encode())
    with pytest.raises(TokenInvalid):
        tokens.verify(f"{header}.{forged}.{signature}", KEY, NOW)


def test_forger_cannot_choose_the_algorithm():
    payload = tokens.sign(TOKEN, KEY).split(".")[1]
    for header in (b'{"alg":"none","typ":"JWT"}', b'{"alg":"HS512","typ":"JWT"}', b"{}"):
        for signature in ("", "x"):
            with pytest.raises(TokenInvalid):
                tokens.verify(f"{encoded(header)}.{payload}.{signature}", KEY, NOW)


@settings(deadline=None)
@given(st.integers(min_value=0), st.characters(max_codepoint=127))
def test_no_changed_character_passes(at, character):
    text = tokens.sign(TOKEN, KEY)
    at %= len(text)
    changed = text[:at] + character + text[at + 1 :]
    if changed != text:
        with pytest.raises(TokenInvalid):
            tokens.verify(changed, KEY, NOW)


@settings(deadline=None)
@given(st.text())
def test_any_text_is_refused(text):
    with pytest.raises(TokenInvalid):
        tokens.verify(text, KEY, NOW)


def test_signed_nonsense_is_refused():
    for payload in (b"{}", b"[]", b"x", b'{"host":"local"}'):
        signed = f"{tokens._HEADER.decode()}.{encoded(payload)}"
        text = f"{signed}.{encoded(tokens._mac(signed.encode(), KEY))}"
        with pytest.raises(TokenInvalid):
            tokens.verify(text, KEY, NOW)
