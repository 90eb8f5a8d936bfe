"""Signed requests, scheme QD1-HMAC-SHA256: what is signed, the two headers, and the check on the other side.

The string to sign is method, path with query, date, host, content type and SHA-256 of the body, joined by newlines; a request that says whom
it is for (`AUDIENCE_HEADER`) has that as one more line. The key is
HMAC-SHA256(secret, day), so a leaked key is good for one day. Secrets of users are derived from the master key: no store holds them.
"""

import base64
import functools
import hashlib
import hmac
import re
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from quarterdeck.wire.errors import DateSkewed, SignatureMismatch, Unauthenticated

SCHEME = "QD1-HMAC-SHA256"
DATE_HEADER = "X-Quarterdeck-Date"
AUDIENCE_HEADER = "X-Quarterdeck-For"
"""The id of the one component that a request is for: another at the same address refuses it."""

SKEW_MAX = timedelta(seconds=300)
_KEYS_KEPT_MAX = 1024

_AUTHORIZATION = re.compile(
    SCHEME
    + r" Credential=(?P<access_key>[A-Za-z0-9_-]{1,64}), Signature=(?P<signature>[0-9a-f]{64})\Z"
)
_DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\Z", re.ASCII)


class Message(NamedTuple):
    """The parts of a request that its signature covers. `target` is the raw path with the query, as on the request line."""

    method: str
    target: str
    host: str
    content_type: str = ""
    body: bytes = b""
    audience: str = ""


class Claim(NamedTuple):
    """Who a request says it is from, and its proof; `date` is `at` as it was sent."""

    access_key: str
    signature: str
    at: datetime
    date: str


def sign(message: Message, access_key: str, secret: str, now: datetime) -> dict[str, str]:
    """Return the headers that sign a request."""
    date = _text(now.astimezone(UTC))
    signature = _signature(message, secret, date)
    return {
        DATE_HEADER: date,
        "Authorization": f"{SCHEME} Credential={access_key}, Signature={signature}",
    }


def read_claim(authorization: str | None, date: str | None) -> Claim:
    """Read the two headers. Raises `Unauthenticated` when one is missing or garbled."""
    if authorization is None:
        raise Unauthenticated("The request is not signed", field="Authorization")
    found = _AUTHORIZATION.match(authorization)
    if found is None:
        raise Unauthenticated(
            "The Authorization header is not in the form of " + SCHEME, field="Authorization"
        )
    if date is None or not _DATE.match(date):
        raise Unauthenticated(
            f"{DATE_HEADER} is missing or not like 2026-01-31T12:00:00Z", field=DATE_HEADER
        )
    try:
        at = datetime.fromisoformat(date)
    except ValueError:
        raise Unauthenticated(f"{DATE_HEADER} is no date", field=DATE_HEADER) from None
    return Claim(found["access_key"], found["signature"], at, date)


def verify(claim: Claim, message: Message, secret: str, now: datetime) -> None:
    """Check a claim. Raises `DateSkewed`, `SignatureMismatch`."""
    if abs(now - claim.at) > SKEW_MAX:
        raise DateSkewed(
            f"The date differs by {abs(now - claim.at).total_seconds():.0f} s; {SKEW_MAX.seconds} are allowed",
            field=DATE_HEADER,
        )
    expected = _signature(message, secret, claim.date)
    if not hmac.compare_digest(expected, claim.signature):
        raise SignatureMismatch(field="Authorization")


@functools.lru_cache(maxsize=_KEYS_KEPT_MAX)
def derive_secret(master_key: str, access_key: str) -> str:
    """Return the secret key that belongs to an access key."""
    digest = hmac.digest(master_key.encode(), b"keypair:" + access_key.encode(), "sha256")
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _signature(message: Message, secret: str, date: str) -> str:
    text = "\n".join(
        (
            message.method.upper(),
            message.target,
            date,
            message.host.lower(),
            message.content_type.lower(),
            hashlib.sha256(message.body).hexdigest(),
            *((message.audience,) if message.audience else ()),
        )
    )
    signer = _signer_of_day(secret, date[:10]).copy()
    signer.update(text.encode("utf-8", "surrogateescape"))
    return signer.hexdigest()


@functools.lru_cache(maxsize=_KEYS_KEPT_MAX)
def _signer_of_day(secret: str, day: str) -> hmac.HMAC:
    """Return what has taken in the key of a day, to be copied."""
    return hmac.new(hmac.digest(secret.encode(), day.encode(), "sha256"), digestmod="sha256")


def _text(date: datetime) -> str:
    return date.replace(microsecond=0, tzinfo=None).isoformat() + "Z"
