"""The manager API: trees, hosts and quotas, for callers that hold the shared secret."""

import hmac

from aiohttp import web

from quarterdeck.base.config import Secret
from quarterdeck.infra import http_server
from quarterdeck.storage_proxy import errors, model, service
from quarterdeck.storage_proxy.http import bearer
from quarterdeck.storage_proxy.service import StorageService
from quarterdeck.wire.folders import HostView, TreePath
from quarterdeck.wire.items import Items
from quarterdeck.wire.trees import QuotaLimits, TreeClone, TreeCreate, TreeScope

_TREE = "/manager/v1/trees/{host}/{tree}"
_SCOPE = "/manager/v1/scopes/{host}/{scope}"


class ManagerApi:
    """Handlers for the manager."""

    def __init__(self, storage: StorageService, secret: Secret) -> None:
        self._storage = storage
        self._secret = secret

    def routes(self) -> list[web.RouteDef]:
        """Return the addresses of this API."""
        return [
            http_server.route("PUT", _TREE, self._create, query=TreeCreate),
            http_server.route("DELETE", _TREE, self._delete),
            http_server.route("GET", f"{_TREE}/mount", self._mount),
            http_server.route("POST", f"{_TREE}/clone", self._clone),
            http_server.route("PUT", f"{_TREE}/scope", self._rescope),
            http_server.route("GET", "/manager/v1/hosts", self._hosts),
            http_server.route("PUT", _SCOPE, self._limit),
            http_server.route("GET", _SCOPE, self._quota),
        ]

    async def _create(self, request: web.Request) -> web.Response:
        self._authorise(request)
        wanted = http_server.query(request, TreeCreate)
        await self._storage.create_tree(_tree(request), wanted.scope)
        return http_server.no_content()

    async def _delete(self, request: web.Request) -> web.Response:
        self._authorise(request)
        await self._storage.delete_tree(_tree(request))
        return http_server.no_content()

    async def _mount(self, request: web.Request) -> web.Response:
        self._authorise(request)
        return http_server.reply(TreePath(await self._storage.mount_path(_tree(request))))

    async def _hosts(self, request: web.Request) -> web.Response:
        self._authorise(request)
        return http_server.reply(Items[HostView](self._storage.hosts()))

    async def _clone(self, request: web.Request) -> web.Response:
        self._authorise(request)
        wanted = await http_server.body(request, TreeClone)
        await self._storage.clone_tree(_tree(request), wanted.tree, wanted.scope)
        return http_server.no_content()

    async def _rescope(self, request: web.Request) -> web.Response:
        self._authorise(request)
        wanted = await http_server.body(request, TreeScope)
        await self._storage.rescope(_tree(request), wanted)
        return http_server.no_content()

    async def _limit(self, request: web.Request) -> web.Response:
        self._authorise(request)
        wanted = await http_server.body(request, QuotaLimits)
        await self._storage.limit(*_scope(request), wanted)
        return http_server.no_content()

    async def _quota(self, request: web.Request) -> web.Response:
        self._authorise(request)
        return http_server.reply(await self._storage.quota(*_scope(request)))

    def _authorise(self, request: web.Request) -> None:
        """Raise `SecretRefused` unless the request shows the shared secret."""
        shown = bearer.credential(request.headers) or ""
        if not hmac.compare_digest(
            shown.encode(errors="surrogateescape"), self._secret.reveal().encode()
        ):
            raise errors.SecretRefused


def _tree(request: web.Request) -> service.Tree:
    return service.Tree(request.match_info["host"], model.tree_id(request.match_info["tree"]))


def _scope(request: web.Request) -> tuple[str, str]:
    return request.match_info["host"], model.scope(request.match_info["scope"])
