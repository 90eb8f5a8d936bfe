"""The client API for a tree as a whole: what is where, new directories, moves, copies, searches. For whoever holds a token."""

from aiohttp import web

from quarterdeck.infra import http_server
from quarterdeck.storage_proxy import globs, model
from quarterdeck.storage_proxy.http.gate import Gate
from quarterdeck.storage_proxy.model import TreePath
from quarterdeck.storage_proxy.service import StorageService
from quarterdeck.storage_proxy.transfers.slots import Slots
from quarterdeck.wire.folders import Right
from quarterdeck.wire.trees import FromTo, PathGiven, SearchQuery

_CLIENT = "/client/v1"


class TreeApi:
    """Handlers for holders of a token; `ClientApi` has those for the content of files."""

    def __init__(self, storage: StorageService, gate: Gate, slots: Slots) -> None:
        self._storage = storage
        self._gate = gate
        self._slots = slots

    def routes(self) -> list[web.RouteDef]:
        """Return the addresses of this API."""
        return [
            http_server.route("GET", f"{_CLIENT}/stat", self._stat, query=PathGiven),
            http_server.route("GET", f"{_CLIENT}/search", self._search, query=SearchQuery),
            http_server.route("POST", f"{_CLIENT}/directories", self._mkdir),
            http_server.route("POST", f"{_CLIENT}/moves", self._move),
            http_server.route("POST", f"{_CLIENT}/copies", self._copy),
        ]

    async def _stat(self, request: web.Request) -> web.Response:
        tree = self._gate.admit(request, Right.READ)
        wanted = http_server.query(request, PathGiven)
        return http_server.reply(await self._storage.stat(tree, self._path(wanted.path)))

    async def _search(self, request: web.Request) -> web.Response:
        caller = self._gate.caller(request, Right.READ)
        wanted = http_server.query(request, SearchQuery)
        glob, path = globs.parse(wanted.pattern), self._path(wanted.path)
        async with self._slots.turn(caller.who):
            found = await self._storage.search(caller.tree, path, glob, wanted.limit)
        return http_server.reply(found)

    async def _mkdir(self, request: web.Request) -> web.Response:
        tree = self._gate.admit(request, Right.WRITE)
        wanted = await http_server.body(request, PathGiven)
        return http_server.reply(await self._storage.mkdir(tree, self._path(wanted.path)), 201)

    async def _move(self, request: web.Request) -> web.Response:
        caller = self._gate.caller(request, Right.WRITE)
        source, target = self._from_to(await http_server.body(request, FromTo))
        with self._slots.taken(caller.who):
            entry = await self._storage.move(caller.tree, source, target)
        return http_server.reply(entry)

    async def _copy(self, request: web.Request) -> web.Response:
        caller = self._gate.caller(request, Right.WRITE)
        source, target = self._from_to(await http_server.body(request, FromTo))
        async with self._slots.turn(caller.who):
            entry = await self._storage.copy(caller.tree, source, target)
        return http_server.reply(entry, 201)

    def _path(self, text: str) -> TreePath:
        return model.parse(text, self._storage.limits)

    def _from_to(self, given: FromTo) -> tuple[TreePath, TreePath]:
        return self._path(given.source), self._path(given.target)
