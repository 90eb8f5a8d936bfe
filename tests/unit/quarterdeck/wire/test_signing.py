"""A signature covers every part of a request, is good for five minutes, and garbled headers are no 500."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quarterdeck.wire import signing
from quarterdeck.wire.errors import DateSkewed, SignatureMismatch, Unauthenticated

NOW = datetime(2026, 1, 31, 12, 0, 0, tzinfo=UTC)
SECRET = "a-secret"
MESSAGE = signing.Message(
    method="POST",
    target="/v1/sessions?all=true",
    host="127.0.0.1:8091",
    content_type="application/json",
    body=b'{"image":"python:3.11"}',
)


def claim_of(message=MESSAGE, secret=SECRET, at=NOW):
    headers = signing.sign(message, "QDAKEXAMPLE", secret, at)
    return signing.read_claim(headers["Authorization"], headers[signing.DATE_HEADER])


def test_known_vector():
    headers = signing.sign(MESSAGE, "QDAKEXAMPLE", SECRET, NOW)
    assert headers == {
        "X-Quarterdeck-Date": "2026-01-31T12:00:00Z",
        "Authorization": "QD1-HMAC-SHA256 Credential=QDAKEXAMPLE, "
        "Signature=fece94371f9359fd2c5818c37e837636cc8eacaa62551461d7f0fd503197f33d",
    }


def test_signed_request_is_accepted():
    claim = claim_of()
    assert (claim.access_key, claim.at) == ("QDAKEXAMPLE", NOW)
    signing.verify(claim, MESSAGE, SECRET, NOW)


@pytest.mark.parametrize(
    "changed",
    [
        {"method": "PUT"},
        {"target": "/v1/sessions?all=false"},
        {"target": "/v1/sessions/?all=true"},
        {"target": "/v1/%73essions?all=true"},
        {"host": "127.0.0.1:8092"},
        {"content_type": "text/plain"},
        {"body": b""},
        {"body": b'{"image":"python:3.12"}'},
    ],
)
def test_each_part_is_covered(changed):
    with pytest.raises(SignatureMismatch):
        signing.verify(claim_of(), MESSAGE._replace(**changed), SECRET, NOW)


def test_date_is_covered():
    later = NOW + timedelta(seconds=1)
    moved = claim_of()._replace(at=later, date=later.strftime("%Y-%m-%dT%H:%M:%SZ"))
    with pytest.raises(SignatureMismatch):
        signing.verify(moved, MESSAGE, SECRET, NOW)


def test_other_secret_is_refused():
    with pytest.raises(SignatureMismatch):
        signing.verify(claim_of(secret="other"), MESSAGE, SECRET, NOW)


@pytest.mark.parametrize("seconds", [-301, 301, 86400, -(10**9)])
def test_skewed_date_is_refused(seconds):
    with pytest.raises(DateSkewed) as refused:
        signing.verify(claim_of(at=NOW + timedelta(seconds=seconds)), MESSAGE, SECRET, NOW)
    assert refused.value.code == "date-skewed"


@pytest.mark.parametrize("seconds", [-300, 0, 300])
def test_small_skew_is_accepted(seconds):
    signing.verify(claim_of(at=NOW + timedelta(seconds=seconds)), MESSAGE, SECRET, NOW)


GOOD = signing.sign(MESSAGE, "QDAKEXAMPLE", SECRET, NOW)["Authorization"]
DATE = "2026-01-31T12:00:00Z"


@pytest.mark.parametrize(
    ("authorization", "date"),
    [
        (None, DATE),
        ("", DATE),
        ("Bearer x", DATE),
        (GOOD.upper(), DATE),
        (GOOD + "0", DATE),
        (GOOD + "\n", DATE),
        (GOOD[:-1], DATE),
        (GOOD.replace("QDAKEXAMPLE", ""), DATE),
        (GOOD.replace("QDAKEXAMPLE", "x" * 65), DATE),
        (GOOD.replace("QDAKEXAMPLE", "a b"), DATE),
        (GOOD, None),
        (GOOD, ""),
        (GOOD, "yesterday"),
        (GOOD, "2026-13-31T12:00:00Z"),
        (GOOD, "2026-01-31T12:00:00+01:00"),
        (GOOD, DATE + "\n"),
        (GOOD, "٢٠٢٦-01-31T12:00:00Z"),
    ],
)
def test_garbled_headers_are_unauthenticated(authorization, date):
    with pytest.raises(Unauthenticated) as refused:
        signing.read_claim(authorization, date)
    assert refused.value.code == "unauthenticated"
    assert refused.value.field in {"Authorization", signing.DATE_HEADER}


@settings(deadline=None)
@given(st.text(), st.text())
def test_any_headers_are_read_or_refused(authorization, date):
    with pytest.raises(Unauthenticated):
        signing.read_claim(authorization, date)


def test_derived_secrets_are_stable_and_differ():
    first = signing.derive_secret("master", "QDAKA")
    assert first == signing.derive_secret("master", "QDAKA")
    assert (
        len({first, signing.derive_secret("master", "QDAKB"), signing.derive_secret("m", "QDAKA")})
        == 3
    )
    assert len(first) == 43
