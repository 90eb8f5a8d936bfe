"""Bearer tokens of the storage-proxy's client API: one tree, one right, one deadline, as a JSON Web Token (HS256).

The header is one constant, so there is no algorithm for a forger to choose.
"""

import base64
import binascii
import hmac
from datetime import datetime
from typing import Literal

import msgspec

from quarterdeck.wire import limits
from quarterdeck.wire.errors import TokenExpired, TokenInvalid
from quarterdeck.wire.folders import Right

TOKEN_SECONDS = 900
"""How long a grant is good for."""

_HEADER = base64.urlsafe_b64encode(b'{"alg":"HS256","typ":"JWT"}').rstrip(b"=")
_TOKEN_BYTES_MAX = 4096


class StorageToken(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a token says. `exp` is in seconds of the Unix clock."""

    host: limits.Name
    tree: limits.Id
    right: Right
    exp: int
    aud: Literal["storage"] = "storage"

    def allows(self, right: Right) -> bool:
        """Tell whether the token gives a right; write includes read."""
        return self.right in {right, Right.WRITE}


def sign(token: StorageToken, key: str) -> str:
    """Return the token as text."""
    signed = _HEADER + b"." + _encode(msgspec.json.encode(token))
    return (signed + b"." + _encode(_mac(signed, key))).decode()


def verify(text: str, key: str, now: datetime) -> StorageToken:
    """Read a token. Raises `TokenInvalid`, `TokenExpired`."""
    raw = text.encode("utf-8", "surrogateescape")
    signed, _, signature = raw.rpartition(b".")
    header, _, payload = signed.partition(b".")
    if len(raw) > _TOKEN_BYTES_MAX or header != _HEADER:
        raise TokenInvalid
    if not hmac.compare_digest(_encode(_mac(signed, key)), signature):
        raise TokenInvalid
    try:
        token = msgspec.json.decode(base64.urlsafe_b64decode(payload + b"=="), type=StorageToken)
    except (msgspec.MsgspecError, binascii.Error) as error:
        raise TokenInvalid from error
    if now.timestamp() >= token.exp:
        raise TokenExpired
    return token


def _mac(data: bytes, key: str) -> bytes:
    return hmac.digest(key.encode(), data, "sha256")


def _encode(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")
