"""etcd with fast timers on two leased loopback ports; keys it must hold from the start are declared."""

import base64
import json
import signal
from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Any

from shakeout.process.handle import Process
from shakeout.services import binaries, ending
from shakeout.system import loopback
from shakeout.system.host import Host
from shakeout.system.place import Place

STOP_SECONDS_MAX = 5.0
HEARTBEAT_MS = 10
ELECTION_MS = 50
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


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _url(port: int) -> str:
    return f"http://{loopback.HOST}:{port}"
