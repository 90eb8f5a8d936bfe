"""A container registry (Debian's `docker-registry`) on a leased loopback port, its storage in its place; `skopeo` fills it.

It comes from a package, not from a wheel: declare it `optional`; tests that ask for it are skipped where it is not installed. There is no
cache in it: a repository whose directory somebody removed is gone.
"""

import asyncio
import enum
import json
import signal
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Any

from shakeout.process.handle import Process
from shakeout.services import debian, ending
from shakeout.services.debian import Program
from shakeout.services.errors import PreparationFailed
from shakeout.system import loopback
from shakeout.system.host import Host
from shakeout.system.place import Place

STOP_SECONDS_MAX = 5.0
USER = "shakeout"
PASSWORD = "shakeout-secret"
_ENTRY = f"{USER}:$2y$04$abcdefghijklmnopqrstuu.T/yn3.KKq9w9X0Q5WCXqqHQhoZ7jN6\n"
"""The only user, as htpasswd writes one; bcrypt with its lowest cost."""

REPOSITORIES = "storage/docker/registry/v2/repositories"
"""Below the place: a directory for each repository."""


class Access(enum.Enum):
    """Whom the registry serves."""

    OPEN = "everybody"
    PASSWORD = "who shows name and password (Basic)"
    TOKEN = "who shows a token that the key in its place has signed (Bearer)"


@dataclass(frozen=True)
class Registry:
    """One registry. One that wants tokens sends its users to the port `tokens` of its place, where a test serves them."""

    name: str = "registry"
    _: KW_ONLY
    access: Access = Access.OPEN
    optional: bool = False
    ports: tuple[str, ...] = ("http", "tokens")
    disk: str = "storage"

    @property
    def programs(self) -> tuple[Program, ...]:
        """What must be installed."""
        signer = (debian.OPENSSL,) if self.access is Access.TOKEN else ()
        return (debian.REGISTRY, debian.SKOPEO, *signer)

    def addresses(self, place: Place) -> Mapping[str, str]:
        """URL of the registry, and of the tokens that it wants."""
        host = f"http://{loopback.HOST}"
        return {"": f"{host}:{place.port('http')}", "tokens": f"{host}:{place.port('tokens')}"}

    async def launch(self, place: Place, host: Host) -> Process:
        """Start it on what an earlier start has stored. Raises ProgramMissing, PreparationFailed, StartFailed."""
        program = debian.locate(debian.REGISTRY)
        directory = place.outside(place.directory)
        if self.access is Access.PASSWORD:
            (directory / "users").write_text(_ENTRY, encoding="utf-8")
        if self.access is Access.TOKEN and not (directory / "key.pem").exists():
            await _make_key(self.name, directory)
        config = json.dumps(configuration(self, place), indent=1)  # JSON is YAML
        (directory / "config.yml").write_text(config, encoding="utf-8")
        argv = (str(program), "serve", str(place.directory / "config.yml"))
        return await host.execute(place, argv)

    async def probe(self, place: Place) -> str:
        """Ask for the version of its API; being asked who one is will do."""
        try:
            answer = await loopback.request(place.port("http"), "GET", "/v2/")
        except OSError as refusal:
            return str(refusal)
        fine = (200,) if self.access is Access.OPEN else (401,)
        return "" if answer.status in fine else f"GET /v2/ answered {answer.status}"

    async def stop(self, process: Process, *, gracefully: bool) -> None:
        """SIGTERM or SIGKILL."""
        if gracefully:
            await ending.stop(process, signal.SIGTERM, STOP_SECONDS_MAX)
        else:
            await process.kill()


def configuration(registry: Registry, place: Place) -> Mapping[str, Any]:
    """What the server reads. Pure."""
    found: dict[str, Any] = {
        "version": 0.1,
        "log": {"level": "warn", "accesslog": {"disabled": True}},
        "storage": {
            "filesystem": {"rootdirectory": str(place.directory / "storage")},
            "delete": {"enabled": True},
            "maintenance": {"uploadpurging": {"enabled": False}},
        },
        "http": {"addr": f"{loopback.HOST}:{place.port('http')}", "secret": place.cluster},
    }
    if registry.access is Access.PASSWORD:
        users = {"realm": registry.name, "path": str(place.directory / "users")}
        found["auth"] = {"htpasswd": users}
    if registry.access is Access.TOKEN:
        found["auth"] = {
            "token": {
                "realm": f"http://{loopback.HOST}:{place.port('tokens')}/token",
                "service": registry.name,
                "issuer": registry.name,
                "rootcertbundle": str(place.directory / "certificate.pem"),
            }
        }
    return found


async def _make_key(name: str, directory: Path) -> None:
    """Make the key that signs tokens, and the certificate by which the registry trusts it. Raises PreparationFailed."""
    argv = (
        *(str(debian.locate(debian.OPENSSL)), "req", "-x509", "-newkey", "rsa:2048", "-nodes"),
        *("-subj", f"/CN={name}", "-days", "3650"),
        *("-keyout", str(directory / "key.pem"), "-out", str(directory / "certificate.pem")),
    )
    process = await asyncio.create_subprocess_exec(
        *argv, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    _, told = await process.communicate()
    if process.returncode:
        raise PreparationFailed(name, "openssl req", "failed", told.decode().splitlines())
