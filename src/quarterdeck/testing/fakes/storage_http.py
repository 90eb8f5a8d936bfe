"""A storage-proxy that only pretends: the manager API and the registration of a real one, trees that are names in a set."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from aiohttp import web

from quarterdeck.base.errors import QuarterdeckError
from quarterdeck.infra import etcd, etcd_registration, http_server
from quarterdeck.wire import decode, folders, nodes, trees


class StorageFull(QuarterdeckError):
    """The storage is full."""

    code = "storage-full"


class HostNotMountable(QuarterdeckError):
    """Folders of this storage host cannot be mounted."""

    code = "host-not-mountable"


class QuotaExceeded(QuarterdeckError):
    """The quota is used up."""

    code = "quota-exceeded"


class WrongSecret(QuarterdeckError):
    """The secret is not the right one."""

    code = "unauthenticated"


class StubStorage:
    """A pretended storage-proxy for one host. `trees` is what it stores."""

    def __init__(self, host: str, secret: str) -> None:
        self.host = host
        self.trees: set[str] = set()
        self.scopes: dict[str, str] = {}
        self.full = False
        self.mountable = True
        self.answers = asyncio.Event()
        self.answers.set()
        self.arrived = asyncio.Event()
        self._secret = secret

    @contextlib.asynccontextmanager
    async def serving(self, registry: etcd.Etcd) -> AsyncIterator[None]:
        """Serve for the time of a block, registered."""
        listener = http_server.listen("127.0.0.1:0")
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        path = "/manager/v1/trees/{host}/{tree}"
        routes = [
            http_server.route("PUT", path, self._create, query=trees.TreeCreate),
            http_server.route("DELETE", path, self._remove),
            http_server.route("GET", f"{path}/mount", self._mount),
            http_server.route("POST", f"{path}/clone", self._clone),
            http_server.route("PUT", f"{path}/scope", self._rescope),
        ]
        record = folders.StorageRecord(
            id=self.host, client_url=url, manager_url=url, hosts=(self.host,)
        )
        async with (
            http_server.serve(http_server.application(routes), listener, drain_seconds=0.1),
            etcd_registration.Registration.open(
                registry,
                nodes.STORAGE_PROXIES + self.host,
                decode.encode(record),
                lease_seconds=nodes.LEASE_SECONDS,
            ),
        ):
            yield

    async def _create(self, request: web.Request) -> web.Response:
        tree = await self._admit(request)
        if self.full:
            raise StorageFull
        self.trees.add(tree)
        return http_server.no_content()

    async def _remove(self, request: web.Request) -> web.Response:
        self.trees.discard(await self._admit(request))
        return http_server.no_content()

    async def _mount(self, request: web.Request) -> web.Response:
        tree = await self._admit(request)
        if not self.mountable:
            raise HostNotMountable
        return http_server.reply(folders.TreePath(f"/trees/{tree}"))

    async def _clone(self, request: web.Request) -> web.Response:
        given = await http_server.body(request, trees.TreeClone)
        await self._admit(request)
        if self.full:
            raise StorageFull
        self.trees.add(given.tree)
        return http_server.no_content()

    async def _rescope(self, request: web.Request) -> web.Response:
        given = await http_server.body(request, trees.TreeScope)
        tree = await self._admit(request)
        if self.full and given.must_fit:
            raise QuotaExceeded
        self.scopes[tree] = given.scope
        return http_server.no_content()

    async def _admit(self, request: web.Request) -> str:
        if request.headers.get("Authorization") != f"Bearer {self._secret}":
            raise WrongSecret
        self.arrived.set()
        await self.answers.wait()
        return request.match_info["tree"]
