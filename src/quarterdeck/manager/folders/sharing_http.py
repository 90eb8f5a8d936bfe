"""The addresses of invitations and of storage hosts. An invitation of others does not exist."""

from collections.abc import Sequence

from aiohttp import web

from quarterdeck.infra import http_server
from quarterdeck.manager.folders.quotas import Quotas
from quarterdeck.manager.folders.sharing import Sharing
from quarterdeck.manager.folders.transferring import Transferring
from quarterdeck.manager.identity.http import principal
from quarterdeck.wire import folders, items, trees
from quarterdeck.wire.errors import Invalid
from quarterdeck.wire.users import Role


def routes(service: Sharing, quotas: Quotas, transferring: Transferring) -> Sequence[web.RouteDef]:
    """Return the addresses of invitations and of storage hosts."""
    api, counted = _Api(service, transferring), _Quotas(quotas)
    return [
        http_server.route("POST", "/v1/folders/{id}/invitations", api.invite),
        http_server.route("GET", "/v1/folders/{id}/invitations", api.of_folder),
        http_server.route("POST", "/v1/folders/{id}/transfer", api.transfer),
        http_server.route("GET", "/v1/invitations", api.of_user),
        http_server.route("GET", "/v1/invitations/{id}", api.get),
        http_server.route("DELETE", "/v1/invitations/{id}", api.end),
        http_server.route("POST", "/v1/invitations/{id}/accept", api.accept),
        http_server.route("POST", "/v1/invitations/{id}/reject", api.reject),
        http_server.route("GET", "/v1/storage-hosts", api.hosts),
        http_server.route("PUT", "/v1/storage-hosts/{host}/permissions/{role}", api.allow),
        http_server.route("GET", "/v1/storage-hosts/{host}/quotas/{user}", counted.get),
        http_server.route("PUT", "/v1/storage-hosts/{host}/quotas/{user}", counted.set),
    ]


class _Api:
    def __init__(self, service: Sharing, transferring: Transferring) -> None:
        self._service = service
        self._transferring = transferring

    async def invite(self, request: web.Request) -> web.Response:
        folder = http_server.path_id(request)
        given = await http_server.body(request, folders.FolderInvite)
        made = await self._service.invite(principal(request), folder, given)
        return http_server.reply(made, 201)

    async def of_folder(self, request: web.Request) -> web.Response:
        folder = http_server.path_id(request)
        found = await self._service.of_folder(principal(request), folder)
        return http_server.reply(items.Items(list(found)))

    async def transfer(self, request: web.Request) -> web.Response:
        folder = http_server.path_id(request)
        given = await http_server.body(request, folders.FolderTransfer)
        left = await self._transferring.transfer(principal(request), folder, given)
        return http_server.reply(left)

    async def of_user(self, request: web.Request) -> web.Response:
        found = await self._service.of_user(principal(request))
        return http_server.reply(items.Items(list(found)))

    async def get(self, request: web.Request) -> web.Response:
        invitation = http_server.path_id(request)
        return http_server.reply(await self._service.get(principal(request), invitation))

    async def end(self, request: web.Request) -> web.Response:
        invitation = http_server.path_id(request)
        return http_server.reply(await self._service.end(principal(request), invitation))

    async def accept(self, request: web.Request) -> web.Response:
        return await self._answer(request, accept=True)

    async def reject(self, request: web.Request) -> web.Response:
        return await self._answer(request, accept=False)

    async def hosts(self, request: web.Request) -> web.Response:
        found = await self._service.hosts(principal(request))
        return http_server.reply(items.Items(list(found)))

    async def allow(self, request: web.Request) -> web.Response:
        given = await http_server.body(request, folders.HostPermissions)
        host, role = request.match_info["host"], request.match_info["role"]
        if role not in set(Role):
            raise Invalid("role", f"there is no role {role[:64]!r}")
        await self._service.allow(principal(request), host, role, given)
        return http_server.no_content()

    async def _answer(self, request: web.Request, *, accept: bool) -> web.Response:
        invitation = http_server.path_id(request)
        answered = await self._service.answer(principal(request), invitation, accept=accept)
        return http_server.reply(answered)


class _Quotas:
    def __init__(self, quotas: Quotas) -> None:
        self._quotas = quotas

    async def get(self, request: web.Request) -> web.Response:
        host, user = request.match_info["host"], request.match_info["user"]
        return http_server.reply(await self._quotas.get(principal(request), host, user))

    async def set(self, request: web.Request) -> web.Response:
        host, user = request.match_info["host"], request.match_info["user"]
        given = await http_server.body(request, trees.QuotaLimits)
        return http_server.reply(await self._quotas.set(principal(request), host, user, given))
