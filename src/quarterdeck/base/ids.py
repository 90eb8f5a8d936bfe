"""New identifiers: time-ordered UUIDs (version 7), access keys, trace ids, tokens of an instance."""

import random
import re
import secrets

from quarterdeck.base.clock import Clock

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")
_ACCESS_KEY_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


def new(clock: Clock) -> str:
    """Return a new UUID of version 7 in canonical text: ids made later sort later (to the millisecond)."""
    milliseconds = int(clock.now().timestamp() * 1000) & (2**48 - 1)
    chance = secrets.randbits(74)
    value = milliseconds << 80 | 0x7 << 76 | chance >> 62 << 64 | 0b10 << 62 | chance & (2**62 - 1)
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def is_id(text: str) -> bool:
    """Tell whether the text is a UUID in canonical form: lower case, with hyphens."""
    return _UUID.match(text) is not None


def access_key() -> str:
    """Return a new access key: `QDAK` and 20 random characters (100 bits)."""
    return "QDAK" + "".join(secrets.choice(_ACCESS_KEY_ALPHABET) for _ in range(20))


def trace() -> str:
    """Return a new trace id: 32 hexadecimal digits. It is no secret, and made for every request."""
    return f"{random.getrandbits(128):032x}"


def instance() -> str:
    """Return a mark of one life of a process: 16 hexadecimal digits."""
    return secrets.token_hex(8)
