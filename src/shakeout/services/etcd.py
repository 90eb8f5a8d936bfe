"""etcd with fast timers on two leased loopback ports; keys it must hold from the start are declared."""

import base64
import json
import signal
from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Any

from shakeout.process.handle import Process
from shakeout.services import binaries, ending
from shakeout.services.errors import QueryFailed
from shakeout.system import loopback
from shakeout.system.host import Host
from shakeout.system.place import Place

STOP_SECONDS_MAX = 5.0
HEARTBEAT_MS = 10
ELECTION_MS = 50
NO_SPACE = "NOSPACE"
MARK = "/shakeout/mark"
LEASE_SECONDS = 600
CREATED = "/shakeout/created"
"""Written together with the seed, so that a restart does not write the seed again."""


def nothing_sown(_place: Place) -> Mapping[str, str]:
    """Seed of an etcd that starts empty."""
    return {}


@dataclass(frozen=True)
class Etcd:
    """One etcd server, a cluster of its own."""

    name: str = "etcd"
    _: KW_ONLY
    seed: Callable[[Place], Mapping[str, str]] = nothing_sown
    """Pure function from its place (which reaches every member) to the first keys and values."""
    optional: bool = False
    ports: tuple[str, ...] = ("client", "peer")
    disk: str = "data"

    def addresses(self, place: Place) -> Mapping[str, str]:
        """URL of the client port: gRPC and the JSON gateway."""
        return {"": _url(place.port("client"))}

    async def launch(self, place: Place, host: Host) -> Process:
        """Start the server on the data of an earlier start, if any."""
        argv = (str(binaries.locate(binaries.ETCD)), *_switches(place))
        return await host.execute(place, argv)

    async def probe(self, place: Place) -> str:
        """Write a key, and on the first start the seed, in one transaction."""
        body = json.dumps(first_write(self.seed(place))).encode()
        try:
            answer = await loopback.request(place.port("client"), "POST", "/v3/kv/txn", body=body)
        except OSError as refusal:
            return str(refusal)
        return "" if answer.status == 200 else answer.body.decode(errors="replace")

    async def stop(self, process: Process, *, gracefully: bool) -> None:
        """SIGTERM or SIGKILL; it is written for both."""
        if gracefully:
            await ending.stop(process, signal.SIGTERM, STOP_SECONDS_MAX)
        else:
            await process.kill()

    async def refuse_writes(self, place: Place) -> None:
        """Raise the alarm of a full store, as etcd does itself. Raises QueryFailed."""
        await _alarm(place, "ACTIVATE")

    async def accept_writes(self, place: Place) -> None:
        """Take that alarm back. Raises QueryFailed."""
        await _alarm(place, "DEACTIVATE")

    async def refusal(self, place: Place) -> str:
        """Write a key and delete it."""
        put = {"requestPut": {"key": _encoded(MARK), "value": _encoded("1")}}
        delete = {"requestDeleteRange": {"key": _encoded(MARK)}}
        try:
            await _ask(place, "/v3/kv/txn", {"success": [put]})
            await _ask(place, "/v3/kv/txn", {"success": [delete]})
        except QueryFailed as refusal:
            return str(refusal)
        return ""

    async def leases(self, place: Place) -> frozenset[str]:
        """Ids of all leases. Raises QueryFailed."""
        found = await _ask(place, "/v3/lease/leases", {})
        return frozenset(one["ID"] for one in found.get("leases", ()))

    async def grant(self, place: Place) -> str:
        """A lease that nobody keeps alive. Raises QueryFailed."""
        granted = await _ask(place, "/v3/lease/grant", {"TTL": LEASE_SECONDS})
        return str(granted["ID"])

    async def revoke(self, place: Place, lease: str) -> None:
        """End a lease, with its keys. Raises QueryFailed."""
        try:
            await _ask(place, "/v3/lease/revoke", {"ID": lease})
        except QueryFailed:
            if lease in await self.leases(place):
                raise


def _switches(place: Place) -> tuple[str, ...]:
    client, peer = _url(place.port("client")), _url(place.port("peer"))
    switches = {
        "name": "default",
        "data-dir": str(place.directory / "data"),
        "listen-client-urls": client,
        "advertise-client-urls": client,
        "listen-peer-urls": peer,
        "initial-advertise-peer-urls": peer,
        "initial-cluster": f"default={peer}",
        "heartbeat-interval": str(HEARTBEAT_MS),
        "election-timeout": str(ELECTION_MS),
        "log-level": "warn",
        "unsafe-no-fsync": "false" if place.durable else "true",
    }
    return tuple(f"--{name}={value}" for name, value in switches.items())


def first_write(seed: Mapping[str, str]) -> Mapping[str, list[Any]]:
    """If nothing was ever written, write everything; else only ask the cluster to write. Pure."""
    mark = {"key": _encoded(CREATED), "value": _encoded("yes")}
    entries = [{"key": _encoded(key), "value": _encoded(value)} for key, value in seed.items()]
    never = {"key": _encoded(CREATED), "result": "EQUAL", "target": "VERSION", "version": "0"}
    return {
        "compare": [never],
        "success": [{"requestPut": entry} for entry in (mark, *entries)],
        "failure": [{"requestPut": mark}],
    }


async def _alarm(place: Place, action: str) -> None:
    status = await _ask(place, "/v3/maintenance/status", {})
    member = status["header"]["member_id"]
    order = {"action": action, "memberID": member, "alarm": NO_SPACE}
    await _ask(place, "/v3/maintenance/alarm", order)


async def _ask(place: Place, path: str, question: Mapping[str, Any]) -> Mapping[str, Any]:
    """One question to the JSON gateway. Raises QueryFailed with etcd's words, OSError without a server."""
    body = json.dumps(question).encode()
    answer = await loopback.request(place.port("client"), "POST", path, body=body)
    if answer.status != 200:
        raise QueryFailed(answer.body.decode(errors="replace"))
    found: Mapping[str, Any] = json.loads(answer.body)
    return found


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _url(port: int) -> str:
    return f"http://{loopback.HOST}:{port}"
