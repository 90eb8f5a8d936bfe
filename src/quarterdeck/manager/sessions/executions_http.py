"""The addresses of what runs in sessions."""

from collections.abc import Sequence

from aiohttp import web

from quarterdeck.infra import answers, http_server
from quarterdeck.infra.answers import Answer
from quarterdeck.infra.calls import Request
from quarterdeck.manager.identity.http import principal
from quarterdeck.manager.sessions.executions import At, ExecutionService
from quarterdeck.wire import session_queries
from quarterdeck.wire.executions import Complete, Execute, Input, Interrupt, SessionRunQuery


def routes(service: ExecutionService) -> Sequence[web.RouteDef]:
    """Return the addresses."""
    api = _Api(service)
    session = "/v1/sessions/{id}"
    run = session + "/runs/{run}"
    kernel = session_queries.KernelQuery
    return [
        http_server.call("POST", f"{session}/execute", api.execute, query=kernel),
        http_server.call("POST", f"{session}/interrupt", api.interrupt, query=kernel),
        http_server.call("POST", f"{session}/complete", api.complete, query=kernel),
        http_server.call("GET", f"{session}/logs", api.logs, query=kernel),
        http_server.call("GET", run, api.look, query=SessionRunQuery),
        http_server.call("POST", f"{run}/input", api.reply, query=kernel),
    ]


class _Api:
    def __init__(self, service: ExecutionService) -> None:
        self._service = service

    async def execute(self, request: Request) -> Answer:
        at = _at(request)
        given = await http_server.body(request, Execute)
        return answers.json(await self._service.execute(at, given))

    async def look(self, request: Request) -> Answer:
        session, run = http_server.path_id(request), http_server.path_id(request, "run")
        query = http_server.query(request, SessionRunQuery)
        at = At(principal(request), session, query.kernel)
        return answers.json(await self._service.look(at, run, query))

    async def reply(self, request: Request) -> Answer:
        at, run = _at(request), http_server.path_id(request, "run")
        await self._service.reply(at, run, await http_server.body(request, Input))
        return answers.DONE

    async def interrupt(self, request: Request) -> Answer:
        at = _at(request)
        await self._service.interrupt(at, await http_server.body(request, Interrupt))
        return answers.DONE

    async def complete(self, request: Request) -> Answer:
        at = _at(request)
        given = await http_server.body(request, Complete)
        return answers.json(await self._service.complete(at, given))

    async def logs(self, request: Request) -> Answer:
        return answers.json(await self._service.logs(_at(request)))


def _at(request: Request) -> At:
    query = http_server.query(request, session_queries.KernelQuery)
    return At(principal(request), http_server.path_id(request), query.kernel)
