"""An S3 server (rclone) on a leased loopback port; buckets are directories of its place.

It starts slower than the other services: declare it `optional`, and only those who ask for it wait.
"""

import signal
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass

from shakeout.process.handle import Process
from shakeout.services import binaries, ending
from shakeout.system import loopback
from shakeout.system.host import Host
from shakeout.system.place import Place

STOP_SECONDS_MAX = 5.0


@dataclass(frozen=True)
class S3:
    """One S3 server with one key pair; region names do not matter to it."""

    name: str = "s3"
    _: KW_ONLY
    buckets: tuple[str, ...] = ()
    """They exist from the start; names have 3 characters or more."""
    access_key: str = "shakeout"
    secret_key: str = "shakeout-secret"
    optional: bool = False
    ports: tuple[str, ...] = ("http",)
    disk: str = "buckets"

    def addresses(self, place: Place) -> Mapping[str, str]:
        """URL of the endpoint; buckets are its first path element."""
        return {"": f"http://{loopback.HOST}:{place.port('http')}"}

    async def launch(self, place: Place, host: Host) -> Process:
        """Start the server on its directory of buckets."""
        root = place.directory / "buckets"
        for bucket in self.buckets:
            (place.outside(root) / bucket).mkdir(parents=True, exist_ok=True)
        switches = {
            "auth-key": f"{self.access_key},{self.secret_key}",
            "addr": f"{loopback.HOST}:{place.port('http')}",
            "config": "",
            "cache-dir": str(place.directory / "cache"),
            "vfs-cache-mode": "off",
            "log-level": "NOTICE",
        }
        argv = (
            str(binaries.locate(binaries.RCLONE)),
            *("serve", "s3", str(root)),
            *(f"--{name}={value}" for name, value in switches.items()),
        )
        return await host.execute(place, argv)

    async def probe(self, place: Place) -> str:
        """Ask unsigned; being refused in S3's own words is the answer of a server that checks keys."""
        try:
            answer = await loopback.request(place.port("http"), "GET", "/")
        except OSError as refusal:
            return str(refusal)
        if answer.status in (400, 403) and b"<Error><Code>" in answer.body:
            return ""
        return f"GET / answered {answer.status}"

    async def stop(self, process: Process, *, gracefully: bool) -> None:
        """SIGTERM or SIGKILL."""
        if gracefully:
            await ending.stop(process, signal.SIGTERM, STOP_SECONDS_MAX)
        else:
            await process.kill()
