"""The addresses of sessions. A session of another user does not exist."""

from collections.abc import Sequence

from aiohttp import web

from quarterdeck.base.tasks import Wake
from quarterdeck.infra import answers, http_server
from quarterdeck.infra.answers import Answer
from quarterdeck.infra.calls import Request
from quarterdeck.manager.identity.http import principal
from quarterdeck.manager.sessions.prompt import PromptService
from quarterdeck.manager.sessions.service import SessionService
from quarterdeck.manager.sessions.waiting import HistoryService, Patience
from quarterdeck.wire import items, session_queries, sessions


def routes(
    service: SessionService, prompt: PromptService, history: HistoryService
) -> Sequence[web.RouteDef]:
    """Return the addresses of sessions."""
    api = _Api(service, prompt, history)
    return [
        http_server.call("POST", "/v1/sessions", api.create, query=session_queries.CreateQuery),
        http_server.call("GET", "/v1/sessions", api.list, query=sessions.SessionQuery),
        http_server.call("GET", "/v1/sessions/{id}", api.get),
        http_server.call(
            "DELETE", "/v1/sessions/{id}", api.terminate, query=session_queries.EndQuery
        ),
        http_server.call("POST", "/v1/sessions/{id}/restart", api.restart),
        http_server.call(
            "GET", "/v1/sessions/{id}/history", api.history, query=sessions.HistoryQuery
        ),
    ]


class _Api:
    def __init__(
        self, service: SessionService, prompt: PromptService, history: HistoryService
    ) -> None:
        self._service = service
        self._prompt = prompt
        self._history = history

    async def create(self, request: Request) -> Answer:
        given = await http_server.body(request, sessions.SessionCreate)
        query = http_server.query(request, session_queries.CreateQuery)
        wake = Wake()
        with http_server.until_in_vain(request, wake) as over:
            patience = Patience(query.wait, wake, over, sessions.SessionStatus.RUNNING)
            answer = await self._prompt.create(principal(request), given, patience)
        return answers.json(answer.view, 201 if answer.new else 200)

    async def list(self, request: Request) -> Answer:
        query = http_server.query(request, sessions.SessionQuery)
        found = await self._service.list(principal(request), query)
        return answers.json(items.Items(list(found)))

    async def get(self, request: Request) -> Answer:
        session = http_server.path_id(request)
        return answers.json(await self._service.get(principal(request), session))

    async def terminate(self, request: Request) -> Answer:
        session, by = http_server.path_id(request), principal(request)
        query = http_server.query(request, session_queries.EndQuery)
        wake = Wake()
        with http_server.until_in_vain(request, wake) as over:
            patience = Patience(query.wait, wake, over)
            view = await self._prompt.terminate(by, session, patience, force=query.force)
        return answers.json(view, 202)

    async def restart(self, request: Request) -> Answer:
        session = http_server.path_id(request)
        return answers.json(await self._service.restart(principal(request), session), 202)

    async def history(self, request: Request) -> Answer:
        session = http_server.path_id(request)
        query = http_server.query(request, sessions.HistoryQuery)
        wake = Wake()
        with http_server.until_in_vain(request, wake) as over:
            rows = await self._history.history(
                principal(request),
                session,
                query.after,
                Patience(query.wait, wake, over, query.until),
            )
        return answers.json(items.Items(list(rows)))
