"""An agent that only pretends: the HTTP API and the registration of a real one, kernels that are entries in a dict.

Tests of the manager script it: hold creates back (`held`), refuse them (`refuses_creates`; `full_for` so many times; `evicts` the image before so many), let kernels die or appear from nowhere.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator

from aiohttp import web

from quarterdeck.agent.errors import OtherAgent
from quarterdeck.base import ids
from quarterdeck.base.clock import SystemClock
from quarterdeck.base.config import Secret
from quarterdeck.base.errors import QuarterdeckError
from quarterdeck.infra import etcd, etcd_registration, http_server
from quarterdeck.testing.image_layouts import ARCHITECTURE
from quarterdeck.wire import agents, decode, executions, items, nodes, sessions, signing

SLOTS = sessions.Slots(4, 4096)


class KernelNotFound(QuarterdeckError):
    """There is no such kernel."""

    code = "kernel-not-found"


class CreateRefused(QuarterdeckError):
    """The kernel could not be started."""

    code = "kernel-failed"


class ImageNotHere(QuarterdeckError):
    """This image has not been pulled to this agent."""

    code = "image-not-here"


class AgentFull(QuarterdeckError):
    """There is not enough free capacity."""

    code = "insufficient-capacity"


class StubAgent:
    """A pretended agent. `kernels` is its inventory, `calls` and `requests` what was asked of it, `inventories` how often it was looked at."""

    def __init__(self, agent: str, secret: str, slots: sessions.Slots = SLOTS) -> None:
        self.id = agent
        self.slots = slots
        self.architecture = ARCHITECTURE
        self.isolation, self.mounts = sessions.IsolationLevel.PROCESS, True
        self.kernels: dict[str, agents.KernelView] = {}
        self.calls: list[tuple[str, str]] = []
        self.requests: dict[str, agents.KernelCreate] = {}
        self.inventories = 0
        self.images: dict[str, agents.AgentImage] = {}
        self.pulls: list[agents.ImagePull] = []
        self.pulls_begin_as = agents.PullStatus.PULLING
        self.open = asyncio.Event()
        self.open.set()
        self.arrived = asyncio.Event()
        self.refuses_creates = False
        self.full_for = 0
        self.evicts = 0
        self.most_cpu_at_once = 0
        self._secret = Secret(secret)
        self._clock = SystemClock()

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Let creates wait within the block; `arrived` is set when one does."""
        self.open.clear()
        self.arrived.clear()
        try:
            yield
        finally:
            self.open.set()

    def kill(self, kernel: str) -> None:
        """Let a kernel's process die."""
        view = self.kernels[kernel]
        self.kernels[kernel] = agents.KernelView(
            id=view.id,
            session=view.session,
            status=sessions.KernelStatus.TERMINATED,
            slots=view.slots,
            exit=agents.KernelExit(signal=9),
        )

    @contextlib.asynccontextmanager
    async def serving(self, registry: etcd.Etcd | None = None) -> AsyncIterator[str]:
        """Serve for the time of a block, registered if a registry is given; gives the address."""
        listener = http_server.listen("127.0.0.1:0")
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        app = http_server.application(self._routes(), middlewares=[self._authentication()])
        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(http_server.serve(app, listener, drain_seconds=0.1))
            if registry is not None:
                await stack.enter_async_context(self.registered(registry, address))
            yield address

    def registered(
        self, registry: etcd.Etcd, address: str
    ) -> contextlib.AbstractAsyncContextManager[etcd_registration.Registration]:
        """Be registered for the time of a block."""
        record = agents.AgentRecord(
            id=self.id,
            instance=ids.instance(),
            address=agents.url(self.id, address),
            slots=self.slots,
            architecture=self.architecture,
            isolation=self.isolation,
            mounts=self.mounts,
        )
        return etcd_registration.Registration.open(
            registry,
            nodes.AGENTS + self.id,
            decode.encode(record),
            lease_seconds=nodes.LEASE_SECONDS,
        )

    def _routes(self) -> list[web.RouteDef]:
        return [
            http_server.route("PUT", "/v1/kernels/{id}", self._create),
            http_server.route("GET", "/v1/kernels", self._inventory),
            http_server.route("DELETE", "/v1/kernels/{id}", self._destroy),
            http_server.route("PUT", "/v1/kernels/{id}/runs/{run}", self._execute),
            http_server.route("GET", "/v1/kernels/{id}/logs", self._logs),
            http_server.route("PUT", "/v1/images/{digest}", self._pull),
            http_server.route("GET", "/v1/images/{digest}", self._image),
        ]

    def _authentication(self) -> http_server.Middleware:
        async def authenticate(
            request: web.Request, handler: http_server.Handler
        ) -> http_server.Reply:
            claim = signing.read_claim(
                request.headers.get("Authorization"), request.headers.get(signing.DATE_HEADER)
            )
            message = await http_server.signed_message(request)
            signing.verify(claim, message, self._secret.reveal(), self._clock.now())
            if message.audience != self.id:
                raise OtherAgent
            return await handler(request)

        return authenticate

    async def _create(self, request: web.Request) -> web.Response:
        kernel = http_server.path_id(request)
        given = await http_server.body(request, agents.KernelCreate)
        self.calls.append(("create", kernel))
        self.requests[kernel] = given
        self.arrived.set()
        await self.open.wait()
        if self.full_for:
            self.full_for -= 1
            raise AgentFull
        if self.refuses_creates:
            raise CreateRefused
        if self.evicts:
            self.evicts -= 1
            del self.images[str(given.digest)]
            raise ImageNotHere
        view = agents.KernelView(
            id=kernel,
            session=given.session,
            status=sessions.KernelStatus.RUNNING,
            slots=given.slots,
            pid=1,
        )
        self.kernels.setdefault(kernel, view)
        in_use = sum(each.slots.cpu for each in self.kernels.values())
        self.most_cpu_at_once = max(self.most_cpu_at_once, in_use)
        return http_server.reply(self.kernels[kernel])

    async def _inventory(self, _: web.Request) -> web.Response:
        self.inventories += 1
        return http_server.reply(items.Items(list(self.kernels.values())))

    async def _destroy(self, request: web.Request) -> web.Response:
        kernel = http_server.path_id(request)
        self.calls.append(("destroy", kernel))
        self.kernels.pop(kernel, None)
        return http_server.no_content()

    async def _execute(self, request: web.Request) -> web.Response:
        self._find(request)
        given = await http_server.body(request, executions.Execute)
        return http_server.reply(
            executions.Execution(
                status=executions.ExecutionStatus.OK,
                stdout=given.code or "",
                stderr="",
                run=http_server.path_id(request, "run"),
            )
        )

    async def _logs(self, request: web.Request) -> web.Response:
        return http_server.reply(sessions.Logs(f"log of {self._find(request).id}"))

    async def _pull(self, request: web.Request) -> web.Response:
        source = await http_server.body(request, agents.ImagePull)
        digest = request.match_info["digest"]
        self.pulls.append(source)
        known = self.images.get(digest)
        if known is None or known.status is agents.PullStatus.FAILED:
            self.images[digest] = agents.AgentImage(digest=digest, status=self.pulls_begin_as)
        return http_server.reply(self.images[digest])

    async def _image(self, request: web.Request) -> web.Response:
        digest = request.match_info["digest"]
        if digest not in self.images:
            raise ImageNotHere
        return http_server.reply(self.images[digest])

    def _find(self, request: web.Request) -> agents.KernelView:
        view = self.kernels.get(http_server.path_id(request))
        if view is None or view.status is not sessions.KernelStatus.RUNNING:
            raise KernelNotFound
        return view
