"""Checksums of what arrives. SHA-256 tells one content from every other; CRC-32, as zlib and S3 have it, tells only what went wrong on
the way, in a sixtieth of the time.
"""

import hashlib
import hmac
import re
from dataclasses import dataclass
from typing import Protocol

from isal import isal_zlib

from quarterdeck.storage_proxy import errors
from quarterdeck.storage_proxy.ports import Block

BYTES = {"crc32": 4, "sha1": 20, "sha256": 32}
"""Algorithms, and how long their digests are."""

_MOMENT_BYTES = 64 * 1024
_MOMENT_BYTES_CRC32 = 4 * 1024 * 1024

_HEXADECIMAL = re.compile(r"[0-9a-fA-F]+\Z")


class Digest(Protocol):
    """A checksum under way: one of `hashlib`, or like one."""

    def update(self, data: Block, /) -> object:
        """Take in a block."""
        ...

    def digest(self) -> bytes:
        """Return the checksum so far."""
        ...

    def hexdigest(self) -> str:
        """Return the checksum so far, in hexadecimal."""
        ...


class Crc32:
    """CRC-32, in network byte order."""

    def __init__(self) -> None:
        self._value = 0

    def update(self, data: Block, /) -> None:
        """Take in a block."""
        self._value = isal_zlib.crc32(data, self._value)

    def digest(self) -> bytes:
        """Return the checksum so far."""
        return self._value.to_bytes(BYTES["crc32"])

    def hexdigest(self) -> str:
        """Return the checksum so far, in hexadecimal."""
        return self.digest().hex()


@dataclass(frozen=True)
class Checksum:
    """What a content shall have: `digest` by one of the algorithms; `field` is where that was said."""

    algorithm: str
    digest: bytes
    field: str


def is_digest(algorithm: str, digits: str) -> bool:
    """Tell whether the text is a digest in hexadecimal."""
    return len(digits) == 2 * BYTES[algorithm] and _HEXADECIMAL.match(digits) is not None


def begun(algorithm: str) -> Digest:
    """Begin a checksum."""
    return Crc32() if algorithm == "crc32" else hashlib.new(algorithm)


def takes_a_moment(digest: Digest, size: int) -> bool:
    """Tell whether so many bytes are taken in no later than a thread would begin to."""
    return size <= (_MOMENT_BYTES_CRC32 if isinstance(digest, Crc32) else _MOMENT_BYTES)


def compare(received: Digest, announced: Checksum) -> None:
    """Raise `ChecksumMismatch` unless the content has the checksum that was announced."""
    if not hmac.compare_digest(received.digest(), announced.digest):
        raise errors.ChecksumMismatch(f"received {received.hexdigest()}", field=announced.field)
