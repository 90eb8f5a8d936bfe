"""etcd as an independent client shows it (the package etcd3, over gRPC). Import it late: it takes a second.

A process that has imported it must not fork without exec: gRPC does not survive that. Tests do not; spawners do it for them.
"""

import importlib
import os
import warnings
from typing import Any
from urllib.parse import urlsplit

# etcd3's generated code is older than protobuf's C implementation.
os.environ.setdefault("PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION", "python")  # noqa: TID251 - read by protobuf at import


class EtcdKeys:
    """All keys of one etcd. Close it when done."""

    def __init__(self, url: str) -> None:
        address = urlsplit(url)
        self._client: Any = _etcd3().client(host=address.hostname, port=address.port)

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def below(self, prefix: str) -> dict[str, bytes]:
        """Return keys and values below a prefix that is not empty."""
        return {found.key.decode(): value for value, found in self._client.get_prefix(prefix)}

    def everything(self) -> dict[str, bytes]:
        """Return all keys and values."""
        return {found.key.decode(): value for value, found in self._client.get_all()}

    def get(self, key: str) -> bytes | None:
        """Return the value of a key."""
        value: bytes | None = self._client.get(key)[0]
        return value

    def put(self, key: bytes, value: bytes) -> None:
        """Write a key as nobody else would."""
        self._client.put(key, value)

    def delete(self, key: bytes) -> None:
        """Delete a key."""
        self._client.delete(key)

    def lease_of(self, key: str) -> int | None:
        """Return the seconds that the lease of a key still has; None for a key without one, or no key."""
        _, found = self._client.get(key)
        if found is None or not found.lease_id:
            return None
        return int(self._client.get_lease_info(found.lease_id).TTL)


def _etcd3() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return importlib.import_module("etcd3")
