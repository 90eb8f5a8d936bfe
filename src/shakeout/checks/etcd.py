"""Probes for keys and leases in etcd, through its JSON gateway."""

import asyncio
import base64
import json
from dataclasses import dataclass
from typing import Any

from shakeout.checks import leaks
from shakeout.checks.leaks import Things
from shakeout.system import loopback
from shakeout.waiting import together

EVERYTHING = base64.b64encode(b"\0").decode()
NO_LEASE = "0"


class EtcdRefused(Exception):
    """The gateway answered with an error."""


@dataclass(frozen=True)
class KeysAndLeases:
    """All keys, and all leases: those of keys by the key, the others by their number."""

    name: str
    port: int

    async def snapshot(self) -> Things:
        """Raises EtcdRefused, OSError."""
        everything = {"key": EVERYTHING, "range_end": EVERYTHING, "keys_only": True}
        with together.plainly():
            async with asyncio.TaskGroup() as group:
                keys = group.create_task(self._ask("/v3/kv/range", **everything))
                leased = group.create_task(self._ask("/v3/lease/leases"))
        return things(keys.result(), leased.result())

    async def _ask(self, path: str, **question: object) -> dict[str, Any]:
        body = json.dumps(question).encode()
        answer = await loopback.request(self.port, "POST", path, body=body)
        if answer.status != 200:
            raise EtcdRefused(f"{path} answered {answer.status}: {answer.body!r}")
        return dict(json.loads(answer.body))


def things(keys: dict[str, Any], leased: dict[str, Any]) -> Things:
    """Keys by name, leases without a key by count. Pure."""
    found: dict[str, str] = {}
    used: set[str] = set()
    for each in keys.get("kvs", ()):
        lease = each.get("lease", NO_LEASE)
        used.add(lease)
        name = base64.b64decode(each["key"]).decode(errors="replace")
        found[name] = "kept for ever" if lease == NO_LEASE else f"kept by lease {lease}"
    bare = [each["ID"] for each in leased.get("leases", ()) if each["ID"] not in used]
    return found | leaks.count([("lease without a key", f"id {number}") for number in bare])
