"""The agent's composition root: scratch, zygote, etcd, Redis, service, HTTP, registration. Nothing else makes adapters."""

import asyncio
import contextlib
import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

from aiohttp import web

from quarterdeck.agent import http
from quarterdeck.agent.config import Config
from quarterdeck.agent.errors import NotConfigured
from quarterdeck.agent.guard import LOOK_SECONDS, Guard
from quarterdeck.agent.images import http as images_http
from quarterdeck.agent.images.store import ImageStore
from quarterdeck.agent.kernels import launcher
from quarterdeck.agent.kernels.dummy import DummyKernels
from quarterdeck.agent.kernels.errors import ForkServerDied
from quarterdeck.agent.kernels.launcher import Launcher
from quarterdeck.agent.kernels.meter import ProcMeter
from quarterdeck.agent.kernels.scratch import Scratch
from quarterdeck.agent.ports import Backend
from quarterdeck.agent.registries import Registries
from quarterdeck.agent.resources.ledger import Ledger
from quarterdeck.agent.service import AgentService
from quarterdeck.base import clock as clocks
from quarterdeck.base import ids, tasks
from quarterdeck.infra import errors, etcd_registration, http_server, redis
from quarterdeck.infra.etcd import Etcd
from quarterdeck.infra.etcd_registration import Registration
from quarterdeck.wire import decode, nodes
from quarterdeck.wire.agents import AgentRecord
from quarterdeck.wire.events import Event, EventKind

COMPONENT = "agent"
CONFIGURATION_SECONDS_MAX = 10.0
CHECK_SECONDS_MAX = 1.0
STOP_SECONDS_MAX = 5.0

_log = logging.getLogger(__name__)


async def main(config: Config, stop: asyncio.Event) -> None:
    """Run an agent until `stop` is set, or its zygote dies (`ForkServerDied`)."""
    async with AsyncExitStack() as stack:
        listener = stack.enter_context(contextlib.closing(http_server.listen(config.listen)))
        scratch = stack.enter_context(contextlib.closing(Scratch.open(config.scratch)))
        kernels = await stack.enter_async_context(_backend(config))
        etcd = await stack.enter_async_context(Etcd.open(config.etcd_url))
        url = await _redis_url(etcd)
        events = await stack.enter_async_context(redis.Events.open(url))
        await kernels.ready()
        news = _News(events)
        images = await stack.enter_async_context(_images(config, news))
        service = AgentService(
            kernels,
            scratch,
            news,
            ledger=Ledger(config.slots, tuple(sorted(os.sched_getaffinity(0)))),
            search_path=launcher.search_path(),
            marks=config.marks,
        )
        health = _Health(kernels, events)
        app = _application(config, service, images, health.check)
        await stack.enter_async_context(http_server.serve(app, listener))
        stack.push_async_callback(_stop, service)
        health.registration = await stack.enter_async_context(_registered(etcd, config, kernels))
        extra = {
            "slots": config.slots,
            "isolation": kernels.isolation,
            "dummy": config.dummy is not None,
        }
        _log.info("agent-ready", extra=extra)
        await _until(stop, kernels, None if config.dummy else _guard(service, scratch))


def _guard(service: AgentService, scratch: Scratch) -> Guard:
    return Guard(service.running, ProcMeter(scratch.directory), clocks.SystemClock())


def _application(
    config: Config,
    service: AgentService,
    images: ImageStore,
    check: Callable[[], Awaitable[str | None]],
) -> web.Application:
    time_of_day = clocks.opened(config.clock_shift)
    return http_server.application(
        [
            *http.routes(service),
            *images_http.routes(images),
            http_server.health(COMPONENT, config.id, check, time_of_day),
        ],
        middlewares=[http.authentication(config.agent_secret, time_of_day)],
    )


def _images(config: Config, news: "_News") -> contextlib.AbstractAsyncContextManager[ImageStore]:
    clock = clocks.opened(config.clock_shift)
    return ImageStore.open(
        config.images, Registries(clock), news, bytes_max=config.images_bytes_max, clock=clock
    )


class _News:
    """The port `News` on the stream of events."""

    def __init__(self, events: redis.Events) -> None:
        self._events = events

    def kernel_changed(self, kernel: str) -> None:
        self._events.publish(Event(EventKind.KERNEL, kernel))

    def image_changed(self, digest: str) -> None:
        self._events.publish(Event(EventKind.IMAGE, digest))


class _Health:
    """Well when managers find us, kernels can start, and news can be told."""

    def __init__(self, kernels: Backend, events: redis.Events) -> None:
        self._kernels = kernels
        self._events = events
        self.registration: Registration | None = None

    async def check(self) -> str | None:
        if self._kernels.died.is_set():
            return "the zygote has died"
        if self.registration is None:
            return "starting"
        if not self.registration.healthy:
            return "not registered in etcd"
        try:
            async with asyncio.timeout(CHECK_SECONDS_MAX):
                await self._events.check()
        except (TimeoutError, errors.Unavailable):
            return "Redis does not answer"
        return None


@contextlib.asynccontextmanager
async def _backend(config: Config) -> AsyncIterator[Backend]:
    if config.dummy is not None:
        kernels: Backend = DummyKernels(config.dummy)
    else:
        kernels = Launcher.launch(config.marks)
    try:
        yield kernels
    finally:
        await kernels.close()


async def _redis_url(etcd: Etcd) -> str:
    async with asyncio.timeout(CONFIGURATION_SECONDS_MAX):
        found = await etcd.get(nodes.REDIS_URL)
    if found is None:
        raise NotConfigured(f"etcd has no {nodes.REDIS_URL}")
    return found.value.decode()


async def _stop(service: AgentService) -> None:
    """End all kernels in time; what is late ends with the zygote, and the next start removes its directory."""
    try:
        async with asyncio.timeout(STOP_SECONDS_MAX):
            await service.stop()
    except TimeoutError:
        _log.error("kernels-still-there", extra={"kernels": len(service.inventory())})


def _registered(
    etcd: Etcd, config: Config, kernels: Backend
) -> contextlib.AbstractAsyncContextManager[Registration]:
    record = AgentRecord(
        id=config.id,
        instance=ids.instance(),
        address=config.advertise,
        slots=config.slots,
        mounts=kernels.mounts,
        isolation=kernels.level,
    )
    return etcd_registration.Registration.open(
        etcd,
        nodes.AGENTS + config.id,
        decode.encode(record),
        lease_seconds=nodes.LEASE_SECONDS,
    )


async def _until(stop: asyncio.Event, kernels: Backend, guard: Guard | None) -> None:
    """Return when `stop` is set. Raises `ForkServerDied`."""
    async with tasks.background() as background:
        if guard is not None:
            background.start(tasks.every(LOOK_SECONDS, guard.look, name="guard"))
        background.start(_wake_on_death(stop, kernels))
        await stop.wait()
    if kernels.died.is_set():
        raise ForkServerDied


async def _wake_on_death(stop: asyncio.Event, kernels: Backend) -> None:
    await kernels.died.wait()
    stop.set()
