"""The addresses of runs in the agent's HTTP API."""

from collections.abc import Sequence

from aiohttp import web

from quarterdeck.agent.executions import Executions
from quarterdeck.infra import answers, http_server
from quarterdeck.infra.answers import Answer
from quarterdeck.infra.calls import Request
from quarterdeck.wire.executions import Complete, Execute, Input, Interrupt, RunQuery


def routes(executions: Executions) -> Sequence[web.RouteDef]:
    """Return the addresses."""
    api = _Api(executions)
    run = "/v1/kernels/{id}/runs/{run}"
    return [
        http_server.call("PUT", run, api.execute),
        http_server.call("GET", run, api.look, query=RunQuery),
        http_server.call("POST", f"{run}/input", api.reply),
        http_server.call("POST", "/v1/kernels/{id}/interrupt", api.interrupt),
        http_server.call("POST", "/v1/kernels/{id}/complete", api.complete),
    ]


class _Api:
    def __init__(self, executions: Executions) -> None:
        self._executions = executions

    async def execute(self, request: Request) -> Answer:
        kernel, run = _ids(request)
        given = await http_server.body(request, Execute)
        return answers.json(await self._executions.execute(kernel, run, given))

    async def look(self, request: Request) -> Answer:
        kernel, run = _ids(request)
        query = http_server.query(request, RunQuery)
        return answers.json(await self._executions.look(kernel, run, query))

    async def reply(self, request: Request) -> Answer:
        kernel, run = _ids(request)
        self._executions.reply(kernel, run, await http_server.body(request, Input))
        return answers.DONE

    async def interrupt(self, request: Request) -> Answer:
        kernel = http_server.path_id(request)
        self._executions.interrupt(kernel, await http_server.body(request, Interrupt))
        return answers.DONE

    async def complete(self, request: Request) -> Answer:
        kernel = http_server.path_id(request)
        given = await http_server.body(request, Complete)
        return answers.json(await self._executions.complete(kernel, given))


def _ids(request: Request) -> tuple[str, str]:
    return http_server.path_id(request), http_server.path_id(request, "run")
