"""The agent's composition root: scratch, zygote, etcd, Redis, service, HTTP, registration. Nothing else makes adapters."""

import asyncio
import contextlib
import logging
import os
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, TypeVar

from aiohttp import web

from quarterdeck.agent import executions_http, http, ports_http, streams_http, terminals_http
from quarterdeck.agent.config import Config
from quarterdeck.agent.errors import NotConfigured
from quarterdeck.agent.executions import Executions
from quarterdeck.agent.guard import LOOK_SECONDS, Guard
from quarterdeck.agent.images import http as images_http
from quarterdeck.agent.images import model as images_model
from quarterdeck.agent.images.store import ImageStore
from quarterdeck.agent.inventory.records import Records
from quarterdeck.agent.kernels import forkserver
from quarterdeck.agent.kernels.dummy import DummyKernels
from quarterdeck.agent.kernels.errors import ForkServerDied
from quarterdeck.agent.kernels.launcher import Launcher
from quarterdeck.agent.kernels.levels import Levels
from quarterdeck.agent.kernels.meter import ProcMeter
from quarterdeck.agent.kernels.oci import cgroups, programs
from quarterdeck.agent.kernels.oci.kernels import Containers, explained
from quarterdeck.agent.kernels.oci.launcher import ContainerLauncher
from quarterdeck.agent.kernels.oci.pool import Pool
from quarterdeck.agent.kernels.scratch import Scratch
from quarterdeck.agent.model import Surroundings
from quarterdeck.agent.network import Network
from quarterdeck.agent.peers import PeerGateway
from quarterdeck.agent.ports import Backend
from quarterdeck.agent.registries import Registries
from quarterdeck.agent.resources.ledger import Ledger
from quarterdeck.agent.service import AgentService
from quarterdeck.agent.terminals import Terminals
from quarterdeck.base import clock as clocks
from quarterdeck.base import ids, tasks
from quarterdeck.infra import errors, etcd_registration, http_server, redis, websockets
from quarterdeck.infra.etcd import Etcd
from quarterdeck.infra.etcd_registration import Registration
from quarterdeck.wire import agents, decode, nodes
from quarterdeck.wire.agents import AgentRecord
from quarterdeck.wire.events import Event, EventKind

COMPONENT = "agent"
PREPARE_SECONDS = 5.0
_Works = Sequence[Coroutine[Any, Any, None]]
CONFIGURATION_SECONDS_MAX = 10.0
CHECK_SECONDS_MAX = 1.0
FOUND_SECONDS_MAX = 5.0
CONTAINERS_DIRECTORY = "containers"
"""Where the zygote of containers is found, below the agent's state."""

WAITING_DIRECTORY = ".waiting"
"""Where containers wait, below the scratch directory: what is found there at the start is nobody's."""

AGENT_MARK = "QD_AGENT_ID"
"""The variable by which every process of this agent's kernels is known to those who look for it from outside."""

_L = TypeVar("_L", bound=Launcher)

_log = logging.getLogger(__name__)


async def main(config: Config, stop: asyncio.Event) -> None:
    """Run an agent until `stop` is set, or its zygote dies (`ForkServerDied`)."""
    async with AsyncExitStack() as stack:
        listener = stack.enter_context(contextlib.closing(http_server.listen(config.listen)))
        scratch = stack.enter_context(contextlib.closing(Scratch.open(config.scratch)))
        background = await stack.enter_async_context(tasks.background())
        kernels = await _backend(config, scratch, background)
        stack.callback(kernels.leave)
        etcd = await stack.enter_async_context(Etcd.open(config.etcd_url))
        url = await _redis_url(etcd)
        events = await stack.enter_async_context(redis.Events.open(url))
        await kernels.ready()
        news = _News(events)
        images = await stack.enter_async_context(_images(config, news))
        network = await stack.enter_async_context(_network(config))
        service = AgentService(
            kernels,
            scratch,
            Records(scratch.state),
            news,
            ledger=Ledger(config.slots, tuple(sorted(os.sched_getaffinity(0)))),
            surroundings=Surroundings(forkserver.search_path(), config.marks),
            images=images,
            network=network,
        )
        await service.restore()
        health = _Health(kernels, events, (*scratch.damage, *service.damage))
        app = _application(config, service, images, health, network=network)
        await stack.enter_async_context(http_server.serve(app, listener))
        stack.callback(service.stop)
        health.registration = await stack.enter_async_context(_registered(etcd, config, kernels))
        extra = {
            "slots": config.slots,
            "isolation": kernels.isolation,
            "dummy": config.dummy is not None,
            "kernels": len(service.inventory()),
        }
        _log.info("agent-ready", extra=extra)
        await _until(stop, kernels, () if config.dummy else _works(service, scratch, kernels))


def _works(service: AgentService, scratch: Scratch, kernels: Backend) -> _Works:
    """Return what goes on in the background of an agent with real kernels."""
    meter = ProcMeter(scratch.directory, kernels.first)
    guard = Guard(service.running, meter, clocks.SystemClock())
    return (
        tasks.every(LOOK_SECONDS, guard.look, name="guard"),
        tasks.every(PREPARE_SECONDS, service.prepare, name="directories", wake=service.few),
    )


def _application(
    config: Config,
    service: AgentService,
    images: ImageStore,
    health: "_Health",
    *,
    network: Network,
) -> web.Application:
    time_of_day = clocks.opened(config.clock_shift)
    return http_server.application(
        [
            *http.routes(service),
            *images_http.routes(images),
            *executions_http.routes(Executions(service.executing)),
            *streams_http.routes(Executions(service.executing)),
            *ports_http.routes(network, service.pid),
            *terminals_http.routes(Terminals(service.entrance)),
            http_server.health(
                COMPONENT, config.id, health.check, time_of_day, degraded=health.degraded
            ),
        ],
        middlewares=[
            http.authentication(config.id, config.agent_secret, time_of_day),
            http.use(service),
        ],
    )


@contextlib.asynccontextmanager
async def _network(config: Config) -> AsyncIterator[Network]:
    clock = clocks.opened(config.clock_shift)
    async with websockets.Clients.open() as clients:
        gateway = PeerGateway(clients, config.agent_secret, clock)
        async with Network.open(gateway.connected) as network:
            yield network


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

    def __init__(self, kernels: Backend, events: redis.Events, damage: Sequence[str]) -> None:
        self._kernels = kernels
        self._events = events
        self._damage = damage
        self.registration: Registration | None = None

    def degraded(self) -> str | None:
        return "; ".join(self._damage) or None

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


async def _backend(config: Config, scratch: Scratch, background: tasks.Background) -> Backend:
    """Return dummies, or the zygotes that an earlier life has left, or new ones."""
    if config.dummy is not None:
        return DummyKernels(config.dummy)
    environment = {**config.marks, AGENT_MARK: config.id}
    place = scratch.state / CONTAINERS_DIRECTORY
    group = cgroups.of_agent(config.scratch) if os.geteuid() == 0 else ""
    if group:
        await asyncio.to_thread(cgroups.sweep, group, clocks.SystemClock().now().timestamp())

    def containers() -> ContainerLauncher:
        place.mkdir(mode=0o700, exist_ok=True)
        made = ContainerLauncher.launch(environment, program=forkserver.CONTAINERS)
        _let_outlive(made, place, config)
        return made

    plain = await _found(Launcher.reach, scratch.state, scratch)
    if plain is None:
        plain = Launcher.launch(environment)
        _let_outlive(plain, scratch.state, config)
    contained = Containers(
        containers,
        directory=scratch.directory,
        group=group,
        why_not=programs.why_not(),
        found=await _found(ContainerLauncher.reach, place, scratch),
        pool=Pool(config.scratch / WAITING_DIRECTORY, clocks.SystemClock(), marks=config.marks),
    )
    background.start(contained.fill())
    return Levels(plain, contained)


async def _found(reach: Callable[[Path], _L | None], place: Path, scratch: Scratch) -> _L | None:
    """Return the zygote that an earlier life has left. One that does not answer is ended."""
    found = reach(place) if scratch.usable else None
    if found is None:
        return None
    found.explain = lambda id_, exit_: explained(scratch.directory(id_), exit_)
    try:
        async with asyncio.timeout(FOUND_SECONDS_MAX):
            await found.ready()
    except (TimeoutError, ForkServerDied) as error:
        _log.error("zygote-replaced", extra={"pid": found.pid, "error": repr(error)})
        await found.end_by_force()
        return None
    return found


def _let_outlive(launcher: Launcher, place: Path, config: Config) -> None:
    try:
        launcher.outlive(place, config.orphan_seconds)
    except OSError as error:
        _log.error("kernels-mortal", extra={"error": str(error)})


async def _redis_url(etcd: Etcd) -> str:
    async with asyncio.timeout(CONFIGURATION_SECONDS_MAX):
        found = await etcd.get(nodes.REDIS_URL)
    if found is None:
        raise NotConfigured(f"etcd has no {nodes.REDIS_URL}")
    return found.value.decode()


def _registered(
    etcd: Etcd, config: Config, kernels: Backend
) -> contextlib.AbstractAsyncContextManager[Registration]:
    record = AgentRecord(
        id=config.id,
        instance=ids.instance(),
        address=agents.url(config.id, config.advertise),
        slots=config.slots,
        mounts=kernels.mounts,
        isolation=kernels.level,
        architecture=images_model.ARCHITECTURE if kernels.containers else "",
    )
    return etcd_registration.Registration.open(
        etcd,
        nodes.AGENTS + config.id,
        decode.encode(record),
        lease_seconds=nodes.LEASE_SECONDS,
        returns=True,
    )


async def _until(stop: asyncio.Event, kernels: Backend, works: _Works) -> None:
    """Work until `stop` is set. Raises `ForkServerDied`."""
    await tasks.run_until_stopped(stop, *works, _wake_on_death(stop, kernels))
    if kernels.died.is_set():
        raise ForkServerDied


async def _wake_on_death(stop: asyncio.Event, kernels: Backend) -> None:
    await kernels.died.wait()
    stop.set()
