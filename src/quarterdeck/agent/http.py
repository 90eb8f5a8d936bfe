"""The agent's HTTP API for managers. Every address but `/health` demands a signature with the cluster's agent secret."""

from collections.abc import Sequence

from aiohttp import web

from quarterdeck.agent.errors import OtherAgent
from quarterdeck.agent.service import AgentService
from quarterdeck.base.clock import Clock
from quarterdeck.base.config import Secret
from quarterdeck.infra import answers, http_server
from quarterdeck.infra.answers import Answer
from quarterdeck.infra.calls import Request
from quarterdeck.wire import items, signing
from quarterdeck.wire.agents import CREDENTIAL, KernelCreate
from quarterdeck.wire.errors import SignatureMismatch

_OPEN_PATHS = frozenset({"/health"})
_LOOKS = frozenset({"", "logs", "ports"})


def authentication(agent: str, secret: Secret, clock: Clock) -> http_server.Middleware:
    """Return the middleware that lets only managers of this cluster pass, and only with what is for this very agent."""

    async def authenticate(request: Request, handler: http_server.Handler) -> http_server.Reply:
        if request.path not in _OPEN_PATHS:
            claim = signing.read_claim(
                request.headers.get("Authorization"), request.headers.get(signing.DATE_HEADER)
            )
            if claim.access_key != CREDENTIAL:
                raise SignatureMismatch(
                    f"Not the credential {CREDENTIAL!r}", field="Authorization"
                )
            message = await http_server.signed_message(request)
            signing.verify(claim, message, secret.reveal(), clock.now())
            if message.audience != agent:
                detail = f"It is for {message.audience or 'nobody'}, and this is {agent}"
                raise OtherAgent(detail, field=signing.AUDIENCE_HEADER)
        return await handler(request)

    return authenticate


def use(service: AgentService) -> http_server.Middleware:
    """Return the middleware that keeps a kernel from being idle while a request or a connection to it lasts; its log is only a look, and a peer's connection no use."""

    async def note(request: Request, handler: http_server.Handler) -> http_server.Reply:
        kernel, _, what = request.path.removeprefix("/v1/kernels/").partition("/")
        if what.partition("/")[0] in _LOOKS or kernel == request.path:
            return await handler(request)
        with service.using(kernel):
            return await handler(request)

    return note


def routes(service: AgentService) -> Sequence[web.RouteDef]:
    """Return the addresses of kernels."""
    api = _Api(service)
    return [
        http_server.call("GET", "/v1/kernels", api.list),
        http_server.call("PUT", "/v1/kernels/{id}", api.create),
        http_server.call("GET", "/v1/kernels/{id}", api.show),
        http_server.call("DELETE", "/v1/kernels/{id}", api.destroy),
        http_server.call("GET", "/v1/kernels/{id}/logs", api.logs),
    ]


class _Api:
    def __init__(self, service: AgentService) -> None:
        self._service = service

    async def list(self, _: Request) -> Answer:
        return answers.json(items.Items(list(self._service.inventory())))

    async def create(self, request: Request) -> Answer:
        kernel = http_server.path_id(request)
        given = await http_server.body(request, KernelCreate)
        return answers.json(await self._service.create(kernel, given))

    async def show(self, request: Request) -> Answer:
        return answers.json(self._service.show(http_server.path_id(request)))

    async def destroy(self, request: Request) -> Answer:
        await self._service.destroy(http_server.path_id(request))
        return answers.DONE

    async def logs(self, request: Request) -> Answer:
        return answers.json(self._service.logs(http_server.path_id(request)))
