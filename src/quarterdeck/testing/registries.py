"""Real registries for tests: filled by skopeo from images made in code, emptied on disk, and a service that gives the tokens they want."""

import asyncio
import base64
import contextlib
import json
import shutil
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from aiohttp import web

from quarterdeck.base.clock import SystemClock
from quarterdeck.infra import http_server
from quarterdeck.testing import layout
from quarterdeck.testing.image_layouts import Layout
from shakeout.services import debian, registry
from shakeout.services.registry import Access
from shakeout.system.cluster import Cluster


class SkopeoFailed(Exception):
    """An image could not be copied; skopeo's own words."""


class Shelf:
    """What a registry of a cluster holds. `close` removes the repositories that were put there through it."""

    def __init__(self, cluster: Cluster, name: str = "registry") -> None:
        self._service = next(
            one
            for one in cluster.system.services
            if one.name == name and isinstance(one, registry.Registry)
        )
        self._place = cluster.place(name)
        self._tokens = ""
        self._mine: set[str] = set()
        self.url = cluster.address(name)
        """Where it listens itself, not by way of links."""

    async def push(self, repository: str, images: Layout, *options: str) -> None:
        """Copy all tags of a layout into a repository. Raises SkopeoFailed."""
        self._mine.add(repository)
        target = f"docker://{self.url.removeprefix('http://')}/{repository}"
        with tempfile.TemporaryDirectory() as directory:
            await asyncio.to_thread(images.write, Path(directory, "layout"))
            for tag in images.tags:
                source = f"oci:{directory}/layout:{tag}"
                await self._skopeo("copy", "--all", *options, source, f"{target}:{tag}")

    def copy_repository(self, old: str, new: str) -> None:
        """Make a repository that is like another: faster than to push it again."""
        self._mine.add(new)
        shutil.copytree(self.repository(old), self.repository(new))

    def remove_tag(self, repository: str, tag: str) -> None:
        """Take a tag away, as an administrator of a registry does."""
        shutil.rmtree(self.repository(repository) / "_manifests" / "tags" / tag)

    def remove(self, repository: str) -> None:
        """Take a whole repository away."""
        shutil.rmtree(self.repository(repository))

    def repository(self, name: str) -> Path:
        """Return the directory of a repository."""
        return self._place.directory / registry.REPOSITORIES / name

    def blob(self, digest: str) -> Path:
        """Return the file that holds some content."""
        algorithm, _, number = digest.partition(":")
        blobs = self._place.directory / registry.REPOSITORIES
        return blobs.parent / "blobs" / algorithm / number[:2] / number / "data"

    def close(self) -> None:
        """Remove what was put here."""
        for name in self._mine:
            shutil.rmtree(self.repository(name), ignore_errors=True)

    @contextlib.asynccontextmanager
    async def tokens(self) -> AsyncIterator[list[str]]:
        """Give the tokens that the registry wants, to its only user, for the time of a block; the scopes that were asked for."""
        asked: list[str] = []

        async def give(request: web.Request) -> web.StreamResponse:
            scope = request.query.get("scope", "")
            asked.append(scope)
            if request.headers.get("Authorization") != _basic():
                return web.Response(status=401)
            return web.json_response({"token": await self._token(scope), "expires_in": 300})

        app = web.Application()
        app.router.add_get("/token", give)
        listener = http_server.listen(f"127.0.0.1:{self._place.port('tokens')}")
        async with http_server.serve(app, listener, drain_seconds=0.1):
            yield asked

    async def _skopeo(self, *arguments: str) -> None:
        shows = self._service.access is not Access.OPEN
        who = ["--dest-creds", f"{registry.USER}:{registry.PASSWORD}"] if shows else []
        process = await asyncio.create_subprocess_exec(
            *(str(debian.locate(debian.SKOPEO)), "--insecure-policy", arguments[0]),
            *("--quiet", "--dest-tls-verify=false", *who, *arguments[1:]),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        _, told = await process.communicate()
        if process.returncode:
            raise SkopeoFailed(told.decode())

    async def _token(self, scope: str) -> str:
        """Return a token, signed with the key that the registry trusts."""
        certificate = (self._place.directory / "certificate.pem").read_text("ascii")
        chain = "".join(certificate.split("-----")[2].split())
        now = int(SystemClock().now().timestamp())
        claims = {
            "iss": self._service.name,
            "aud": self._service.name,
            "sub": registry.USER,
            "exp": now + 300,
            "nbf": now - 10,
            "iat": now,
            "jti": str(now),
            "access": list(_granted(scope)),
        }
        header = {"typ": "JWT", "alg": "RS256", "x5c": [chain]}
        signed = ".".join(_encoded(json.dumps(one).encode()) for one in (header, claims))
        process = await asyncio.create_subprocess_exec(
            *(str(debian.locate(debian.OPENSSL)), "dgst", "-sha256"),
            *("-sign", str(self._place.directory / "key.pem")),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        signature, _ = await process.communicate(signed.encode())
        return f"{signed}.{_encoded(signature)}"


@contextlib.contextmanager
def password_file(cluster: Cluster, password: str = registry.PASSWORD) -> Iterator[str]:
    """Give all managers a secret for the time of a block; gives its name."""
    name = f"s{uuid.uuid4().hex}"
    places = [cluster.place(one).directory for one in cluster.replicas("manager")]
    files = [place / layout.SECRETS_DIRECTORY / name for place in places]
    for file in files:
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"{password}\n", encoding="utf-8")
    try:
        yield name
    finally:
        for file in files:
            file.unlink()


def _granted(scope: str) -> Iterator[dict[str, object]]:
    for one in scope.split():
        kind, _, rest = one.partition(":")
        name, _, actions = rest.rpartition(":")
        yield {"type": kind, "name": name, "actions": actions.split(",")}


def _basic() -> str:
    return "Basic " + base64.b64encode(f"{registry.USER}:{registry.PASSWORD}".encode()).decode()


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
