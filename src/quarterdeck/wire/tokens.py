"""Tokens of the storage-proxy's client API: one tree, one right, one deadline, as a JSON Web Token (HS256).

A bearer token opens a tree; one that is part of a URL does one thing with one file.

The header is one constant, so there is no algorithm for a forger to choose.
"""

import base64
import binascii
import hmac
from datetime import datetime
from typing import Literal, TypeVar

import msgspec

from quarterdeck.wire import limits
from quarterdeck.wire.errors import TokenExpired, TokenInvalid
from quarterdeck.wire.folders import Right

TOKEN_SECONDS = 900
"""How long a grant is good for."""

SHARED_SECONDS = 60
"""How long a grant for a folder of somebody else's is good for: so late ends what is not shared any more."""

URL_SECONDS_MAX = 900
"""How long a URL that carries a token is good for at most."""

_HEADER = base64.urlsafe_b64encode(b'{"alg":"HS256","typ":"JWT"}').rstrip(b"=")
_TOKEN_BYTES_MAX = 4096


class StorageToken(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a token says. `exp` is in seconds of the Unix clock."""

    host: limits.Name
    tree: limits.Id
    right: Right
    exp: int
    user: str | None = None
    """Whom it was given to."""
    aud: Literal["storage"] = "storage"

    def allows(self, right: Right) -> bool:
        """Tell whether the token gives a right; write includes read."""
        return self.right in {right, Right.WRITE}


class UrlToken(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the token in a URL says: one method on one path of one tree, until `exp`."""

    host: limits.Name
    tree: limits.Id
    method: Literal["GET", "PUT"]
    path: str
    exp: int
    user: str | None = None
    aud: Literal["storage-url"] = "storage-url"


_Token = TypeVar("_Token", StorageToken, UrlToken)


def sign(token: StorageToken | UrlToken, key: str) -> str:
    """Return the token as text."""
    signed = _HEADER + b"." + _encode(msgspec.json.encode(token))
    return (signed + b"." + _encode(_mac(signed, key))).decode()


def verify(text: str, key: str, now: datetime) -> StorageToken:
    """Read a bearer token. Raises `TokenInvalid`, `TokenExpired`."""
    return _verified(text, key, now, StorageToken)


def verify_url(text: str, key: str, now: datetime) -> UrlToken:
    """Read the token of a URL. Raises `TokenInvalid`, `TokenExpired`."""
    return _verified(text, key, now, UrlToken)


def _verified(text: str, key: str, now: datetime, type_: type[_Token]) -> _Token:
    """Read a token of one type. Raises `TokenInvalid`, `TokenExpired`."""
    raw = text.encode("utf-8", "surrogateescape")
    signed, _, signature = raw.rpartition(b".")
    header, _, payload = signed.partition(b".")
    if len(raw) > _TOKEN_BYTES_MAX or header != _HEADER:
        raise TokenInvalid
    if not hmac.compare_digest(_encode(_mac(signed, key)), signature):
        raise TokenInvalid
    try:
        token = msgspec.json.decode(base64.urlsafe_b64decode(payload + b"=="), type=type_)
    except (msgspec.MsgspecError, binascii.Error) as error:
        raise TokenInvalid from error
    if now.timestamp() >= token.exp:
        raise TokenExpired
    return token


def _mac(data: bytes, key: str) -> bytes:
    return hmac.digest(key.encode(), data, "sha256")


def _encode(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")
