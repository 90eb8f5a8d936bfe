"""etcd v3 through its JSON gateway: keys, transactions, leases. `quarterdeck.infra.etcd_watch` follows changes,
`quarterdeck.infra.etcd_registration` keeps a key alive.

etcd-client-py is not used: its put cannot take a lease. The caller owns the deadlines.
"""

import base64
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import msgspec

from quarterdeck.infra.errors import EtcdUnavailable

CONNECT_SECONDS_MAX = 2.0
ABSENT = 0
"""The revision of a key that is not there, for `swap`."""


@dataclass(frozen=True)
class KeyValue:
    """A key with its value. `revision` is that of its last change; `lease` is 0 without one."""

    key: str
    value: bytes
    revision: int
    lease: int


@dataclass(frozen=True)
class Snapshot:
    """All keys under a prefix as of a revision of the store."""

    revision: int
    items: tuple[KeyValue, ...]


class Etcd:
    """A client of one etcd."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, url: str) -> AsyncIterator["Etcd"]:
        """Own connections for the time of a block. Connects when first used."""
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS_MAX)
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=30)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
            yield cls(session, url.rstrip("/"))

    async def put(self, key: str, value: bytes, *, lease: int = 0) -> int:
        """Write a key, bound to a lease if one is given. Returns the store's revision. Raises `EtcdUnavailable`."""
        answer = await self._call("kv/put", _put(key, value, lease))
        return store_revision(answer)

    async def get(self, key: str) -> KeyValue | None:
        """Read a key. Raises `EtcdUnavailable`."""
        answer = await self._call("kv/range", {"key": _encode(key)})
        found = answer.get("kvs")
        return key_value(found[0]) if found else None

    async def range(self, prefix: str) -> Snapshot:
        """Read all keys under a prefix, in order. Raises `EtcdUnavailable`."""
        answer = await self._call("kv/range", span(prefix))
        return Snapshot(store_revision(answer), tuple(map(key_value, answer.get("kvs", ()))))

    async def delete(self, key: str) -> bool:
        """Delete a key and tell whether it was there. Raises `EtcdUnavailable`."""
        answer = await self._call("kv/deleterange", {"key": _encode(key)})
        return int(answer.get("deleted", 0)) > 0

    async def delete_prefix(self, prefix: str) -> int:
        """Delete all keys under a prefix and return how many. Raises `EtcdUnavailable`."""
        answer = await self._call("kv/deleterange", span(prefix))
        return int(answer.get("deleted", 0))

    async def swap(self, key: str, value: bytes, *, revision: int, lease: int = 0) -> bool:
        """Write a key only if its last change was at `revision` (`ABSENT`: if it is not there); tell whether. Raises `EtcdUnavailable`."""
        condition = {
            "key": _encode(key),
            "target": "MOD",
            "result": "EQUAL",
            "mod_revision": str(revision),
        }
        answer = await self._call(
            "kv/txn",
            {"compare": [condition], "success": [{"request_put": _put(key, value, lease)}]},
        )
        return bool(answer.get("succeeded", False))

    async def grant(self, seconds: int) -> int:
        """Make a lease of some seconds and return its id. Raises `EtcdUnavailable`."""
        return int((await self._call("lease/grant", {"TTL": seconds}))["ID"])

    async def keep_alive(self, lease: int) -> int:
        """Renew a lease and return the seconds it has again; 0 if it is gone. Raises `EtcdUnavailable`."""
        answer = await self._call("lease/keepalive", {"ID": str(lease)})
        return int(answer.get("result", {}).get("TTL", 0))

    async def revoke(self, lease: int) -> None:
        """End a lease and delete its keys; fine if it is gone. Raises `EtcdUnavailable`."""
        try:
            await self._call("lease/revoke", {"ID": str(lease)})
        except _Missing:
            return

    @contextlib.asynccontextmanager
    async def stream(
        self, path: str, body: dict[str, Any]
    ) -> AsyncIterator[AsyncIterator[dict[str, Any]]]:
        """Open a streaming call and give its messages. For `etcd_watch`. Raises `EtcdUnavailable`."""
        async with self._post(path, body) as response:
            yield _messages(response)

    async def check(self) -> None:
        """Ask etcd for a consistent read. Raises `EtcdUnavailable`."""
        await self._call("kv/range", {"key": _encode("\0"), "count_only": True})

    async def _call(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        async with self._post(path, body) as response:
            return msgspec.json.decode(await response.read(), type=dict[str, Any])

    @contextlib.asynccontextmanager
    async def _post(
        self, path: str, body: dict[str, Any]
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        try:
            async with self._session.post(
                f"{self._url}/v3/{path}", data=msgspec.json.encode(body)
            ) as response:
                if response.status >= 400:
                    raise _refusal(path, await response.text())
                yield response
        except (aiohttp.ClientError, OSError, msgspec.MsgspecError) as error:
            raise EtcdUnavailable(f"etcd does not answer {path}: {error!r}") from error


class _Missing(EtcdUnavailable):
    """The lease is not there."""


def span(prefix: str) -> dict[str, Any]:
    """Return the range of all keys under a prefix, as etcd's requests name it. For `etcd_watch`."""
    end = bytearray(prefix.encode())
    while end and end[-1] == 0xFF:
        end.pop()
    if end:
        end[-1] += 1
    return {
        "key": _encode(prefix or "\0"),
        "range_end": base64.b64encode(bytes(end) or b"\0").decode(),
    }


def key_value(raw: dict[str, Any]) -> KeyValue:
    """Read a key and value as etcd's answers carry them. For `etcd_watch`."""
    return KeyValue(
        key=base64.b64decode(raw["key"]).decode(errors="surrogateescape"),
        value=base64.b64decode(raw.get("value", "")),
        revision=int(raw.get("mod_revision", 0)),
        lease=int(raw.get("lease", 0)),
    )


def store_revision(answer: dict[str, Any]) -> int:
    """Return the store's revision as of an answer. For `etcd_watch`."""
    return int(answer.get("header", {}).get("revision", 0))


async def _messages(response: aiohttp.ClientResponse) -> AsyncIterator[dict[str, Any]]:
    """Split a stream into its lines, which may be longer than aiohttp's own limit."""
    rest = b""
    async for chunk in response.content.iter_any():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if line.strip():
                yield msgspec.json.decode(line, type=dict[str, Any])


def _refusal(path: str, text: str) -> EtcdUnavailable:
    missing = "lease not found" in text
    return (_Missing if missing else EtcdUnavailable)(f"etcd refused {path}: {text[:200]}")


def _put(key: str, value: bytes, lease: int) -> dict[str, Any]:
    request = {"key": _encode(key), "value": base64.b64encode(value).decode()}
    return request | ({"lease": str(lease)} if lease else {})


def _encode(key: str) -> str:
    return base64.b64encode(key.encode(errors="surrogateescape")).decode()
