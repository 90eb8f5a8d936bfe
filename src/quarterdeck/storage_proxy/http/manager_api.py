"""The manager API: trees and hosts, for callers that hold the shared secret."""

import hmac

from aiohttp import web

from quarterdeck.base.config import Secret
from quarterdeck.infra import http_server
from quarterdeck.storage_proxy import errors, model, service
from quarterdeck.storage_proxy.http import bearer
from quarterdeck.storage_proxy.service import StorageService
from quarterdeck.wire.folders import HostView, TreePath
from quarterdeck.wire.items import Items

_TREE = "/manager/v1/trees/{host}/{tree}"


class ManagerApi:
    """Handlers for the manager."""

    def __init__(self, storage: StorageService, secret: Secret) -> None:
        self._storage = storage
        self._secret = secret

    def routes(self) -> list[web.RouteDef]:
        """Return the addresses of this API."""
        return [
            http_server.route("PUT", _TREE, self._create),
            http_server.route("DELETE", _TREE, self._delete),
            http_server.route("GET", f"{_TREE}/mount", self._mount),
            http_server.route("GET", "/manager/v1/hosts", self._hosts),
        ]

    async def _create(self, request: web.Request) -> web.Response:
        self._authorise(request)
        await self._storage.create_tree(_tree(request))
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

    def _authorise(self, request: web.Request) -> None:
        """Raise `SecretRefused` unless the request shows the shared secret."""
        shown = bearer.credential(request) or ""
        if not hmac.compare_digest(
            shown.encode(errors="surrogateescape"), self._secret.reveal().encode()
        ):
            raise errors.SecretRefused


def _tree(request: web.Request) -> service.Tree:
    return service.Tree(request.match_info["host"], model.tree_id(request.match_info["tree"]))
