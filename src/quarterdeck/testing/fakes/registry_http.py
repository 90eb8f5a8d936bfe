"""A registry that only pretends: what real ones do rarely, on demand. It serves a `Layout` as the repository `deck/tool`.

It pages tags, leads to other addresses, breaks blobs off, knows no ranges, sends other content than it should.
"""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

from aiohttp import web

from quarterdeck.infra import http_server
from quarterdeck.testing.image_layouts import Layout

REPOSITORY = "deck/tool"


class StubRegistry:
    """A pretended registry. `requests` is what was asked: path with query, Range, Authorization."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.requests: list[tuple[str, str, str]] = []
        self.tags_per_page = 1000
        self.next_link = ""
        """Where lists go on, in place of the right address."""
        self.challenge = ""
        """What is answered to whoever shows nothing, with 401."""
        self.redirect = ""
        """Where blobs are, with their digest appended."""
        self.breaks_after = 0
        """Bytes of a blob after which the connection ends; 0: it does not."""
        self.breaks = 1
        """How often it does."""
        self.ranges = True
        self.status = 0
        """What is answered to everything, in place of the answer."""
        self.other: dict[str, bytes] = {}
        """Content by digest that is sent in place of the right one."""
        self.url = ""

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator["StubRegistry"]:
        """Serve for the time of a block."""

        @web.middleware
        async def admit(
            request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
        ) -> web.StreamResponse:
            return self._refusal(request) or await handler(request)

        app = web.Application(middlewares=[admit])
        app.router.add_get("/v2/", self._version)
        app.router.add_get("/v2/_catalog", self._catalog)
        app.router.add_get(f"/v2/{REPOSITORY}/tags/list", self._tags)
        app.router.add_get(f"/v2/{REPOSITORY}/manifests/{{name}}", self._manifest)
        app.router.add_get(f"/v2/{REPOSITORY}/blobs/{{name}}", self._blob)
        listener = http_server.listen("127.0.0.1:0")
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        async with http_server.serve(app, listener, drain_seconds=0.1):
            yield self

    def _refusal(self, request: web.Request) -> web.Response | None:
        shown = request.headers.get("Authorization", "")
        self.requests.append((request.raw_path, request.headers.get("Range", ""), shown))
        if self.status:
            return web.Response(status=self.status)
        if self.challenge and not shown:
            return web.Response(status=401, headers={"WWW-Authenticate": self.challenge})
        return None

    async def _version(self, _: web.Request) -> web.Response:
        return web.json_response({})

    async def _catalog(self, _: web.Request) -> web.Response:
        return web.json_response({"repositories": [REPOSITORY]})

    async def _tags(self, request: web.Request) -> web.Response:
        names = sorted(self.layout.tags)
        after = request.query.get("last", "")
        page = [name for name in names if name > after][: self.tags_per_page]
        headers = {}
        if page and page[-1] != names[-1]:
            own = f"/v2/{REPOSITORY}/tags/list?n={self.tags_per_page}&last={page[-1]}"
            headers = {"Link": f'<{self.next_link or own}>; rel="next"'}
        return web.json_response({"name": REPOSITORY, "tags": page}, headers=headers)

    async def _manifest(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        digest = self.layout.tags.get(name, name)
        if digest not in self.layout.blobs:
            return web.Response(status=404)
        body = self.other.get(digest, self.layout.blobs[digest])
        headers = {
            "Content-Type": self.layout.media_types[digest],
            "Docker-Content-Digest": digest,
        }
        return web.Response(body=body, headers=headers)

    async def _blob(self, request: web.Request) -> web.StreamResponse:
        digest = request.match_info["name"]
        if self.redirect:
            return web.Response(status=307, headers={"Location": self.redirect + digest})
        if digest not in self.layout.blobs:
            return web.Response(status=404)
        body = self.other.get(digest, self.layout.blobs[digest])
        asked = request.headers.get("Range", "")
        start = int(asked[len("bytes=") : -1]) if asked and self.ranges else 0
        response = web.StreamResponse(status=206 if start else 200)
        response.content_length = len(body) - start
        await response.prepare(request)
        if self.breaks_after and self.breaks:
            self.breaks -= 1
            await response.write(body[start : start + self.breaks_after])
            if request.transport is not None:
                request.transport.close()
            return response
        await response.write(body[start:])
        return response
