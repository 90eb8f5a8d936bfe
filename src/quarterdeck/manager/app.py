"""The manager's composition root: opens what it needs, builds the domains on it, runs the loops, serves. Nothing else makes adapters."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass

from aiohttp import web

from quarterdeck.base import clock as clocks
from quarterdeck.base import http_pool, ids, tasks
from quarterdeck.base.clock import Clock
from quarterdeck.infra import (
    etcd,
    etcd_registration,
    http_client,
    http_server,
    notifications,
    postgres,
    redis,
    websockets,
)
from quarterdeck.manager import diagnostics, startup
from quarterdeck.manager.agents import gateway as agents_gateway
from quarterdeck.manager.agents import http as agents_http
from quarterdeck.manager.agents.service import AgentService
from quarterdeck.manager.agents.store import AgentStore
from quarterdeck.manager.app_folders import built as folders_built
from quarterdeck.manager.config import Config
from quarterdeck.manager.deadline import within_deadline
from quarterdeck.manager.events import http as events_http
from quarterdeck.manager.events.feed import Feed
from quarterdeck.manager.events.service import EventService
from quarterdeck.manager.events.store import EventStore
from quarterdeck.manager.identity import http as identity_http
from quarterdeck.manager.identity.cache import Cache
from quarterdeck.manager.identity.service import Identity
from quarterdeck.manager.identity.store import UserStore
from quarterdeck.manager.images import gateway as images_gateway
from quarterdeck.manager.images import http as images_http
from quarterdeck.manager.images.rescan import Rescanner
from quarterdeck.manager.images.rescans_store import RescanStore
from quarterdeck.manager.images.service import ImageService
from quarterdeck.manager.images.store import ImageStore
from quarterdeck.manager.loops import Loops
from quarterdeck.manager.scheduling.service import Scheduler
from quarterdeck.manager.scheduling.store import PlacementStore
from quarterdeck.manager.sessions import (
    executions_gateway,
    executions_http,
    streams_http,
    terminals_http,
)
from quarterdeck.manager.sessions import gateway as sessions_gateway
from quarterdeck.manager.sessions import http as sessions_http
from quarterdeck.manager.sessions.books import LifecycleBooks, RemovalBooks
from quarterdeck.manager.sessions.deadlines import Deadlines
from quarterdeck.manager.sessions.dependencies import Dependencies
from quarterdeck.manager.sessions.drains_store import DrainStore
from quarterdeck.manager.sessions.executions import ExecutionService
from quarterdeck.manager.sessions.expiry import Expiry
from quarterdeck.manager.sessions.lanes import Lanes
from quarterdeck.manager.sessions.ledger import ReconcilerLedger
from quarterdeck.manager.sessions.lifecycle import Lifecycle
from quarterdeck.manager.sessions.lookups import SessionLookups
from quarterdeck.manager.sessions.maxima import Maxima, Terms
from quarterdeck.manager.sessions.prompt import PromptService
from quarterdeck.manager.sessions.pulls import ImagePulls
from quarterdeck.manager.sessions.reconcile import Reconciler
from quarterdeck.manager.sessions.removals import KernelRemoval
from quarterdeck.manager.sessions.routes import Routes
from quarterdeck.manager.sessions.service import SessionService
from quarterdeck.manager.sessions.store import SessionStore
from quarterdeck.manager.sessions.streams import StreamService
from quarterdeck.manager.sessions.terminals import TerminalService
from quarterdeck.manager.sessions.waiting import HistoryService
from quarterdeck.manager.signals import HistoryBell, Signals
from quarterdeck.wire import decode, nodes
from quarterdeck.wire.agents import CREDENTIAL

COMPONENT = "manager"
SESSIONS_AT_ONCE_PER_AGENT_MAX = 16
USERS_LIMITS = http_pool.Limits(connections=2048, origin_connections=512, wait_seconds=3.0)
"""Of calls that may wait for a user's code, at most `WAIT_SECONDS_MAX` of `wire.executions`."""
NOTIFICATION_CHANNELS = ("session_history", "keypairs")


@dataclass(frozen=True)
class World:
    """What the manager stands on, open. Calls for users have connections of their own: many that last long hold up no lifecycle."""

    config: Config
    clock: Clock
    database: postgres.Database
    bells: notifications.Notifications
    etcd: etcd.Etcd
    events: redis.Events
    client: http_client.HttpClient
    client_for_users: http_client.HttpClient
    sockets: websockets.Clients


@dataclass(frozen=True)
class Services:
    """The use cases, built."""

    identity: Identity
    images: ImageService
    folders: list[web.RouteDef]
    agents: AgentService
    sessions: SessionService
    prompt: PromptService
    running: list[web.RouteDef]
    history: HistoryService
    events: EventService
    loops: Loops


async def main(config: Config, stop: asyncio.Event) -> None:
    """Run a manager until `stop` is set."""
    async with running(config):
        await stop.wait()


@contextlib.asynccontextmanager
async def running(config: Config) -> AsyncIterator[None]:
    """Run a manager for the time of a block; from its first line on it serves."""
    async with AsyncExitStack() as stack:
        listener = stack.enter_context(contextlib.closing(http_server.listen(config.listen)))
        world = await _open(config, stack)
        keys_wake = stack.enter_context(world.bells.subscribe("keypairs"))
        services = _build(world, keys_wake)
        await services.identity.ensure_admin(config.admin_access_key)
        await services.agents.resync()
        await services.loops.lifecycle.begin()
        await services.images.begin()
        background = await stack.enter_async_context(tasks.background())
        for loop in services.loops.all():
            background.start(loop)
        await _serve(world, services, listener, stack)
        yield


async def _open(config: Config, stack: AsyncExitStack) -> World:
    url = config.database_url.reveal()
    name = f"{COMPONENT}-{config.id}"
    database = await stack.enter_async_context(
        postgres.Database.open(url, application_name=name, size_max=config.database_connections)
    )
    await startup.require_schema(database)
    bells = await stack.enter_async_context(
        notifications.Notifications.open(url, NOTIFICATION_CHANNELS, application_name=name)
    )
    registry = await stack.enter_async_context(etcd.Etcd.open(config.etcd_url))
    events = await stack.enter_async_context(redis.Events.open(await startup.redis_url(registry)))
    client, for_users = [
        await stack.enter_async_context(http_client.HttpClient.open(limits))
        for limits in (http_client.LIMITS, USERS_LIMITS)
    ]
    sockets = await stack.enter_async_context(websockets.Clients.open())
    clock = clocks.opened(config.clock_shift)
    return World(config, clock, database, bells, registry, events, client, for_users, sockets)


def _build(world: World, keys_wake: tasks.Wake) -> Services:
    database, clock, config = world.database, world.clock, world.config
    signals, keys = Signals(world.events), Cache(clock)
    folders = folders_built(database, world.etcd, world.client, config=config, clock=clock)
    identity = Identity(
        UserStore(database), folders.loops.removal, keys, clock=clock, master_key=config.master_key
    )
    kernels = sessions_gateway.AgentGateway(world.client, config.agent_secret, clock)
    books = LifecycleBooks(database, config.id)
    lanes = Lanes(at_once_max=SESSIONS_AT_ONCE_PER_AGENT_MAX)
    pulls = ImagePulls(kernels, images_gateway.SecretFiles(config.secrets))
    lifecycle = Lifecycle(books, kernels, signals, lanes, pulls=pulls)
    reconciler = Reconciler(
        ReconcilerLedger(database), books, kernels, driver=lifecycle, news=signals
    )
    registry = agents_gateway.EtcdRegistry(world.etcd, config.id, clock)
    agents = AgentService(AgentStore(database), registry, (reconciler, signals))
    store, lookups = SessionStore(database, config.id), SessionLookups(database)
    bell, rows = HistoryBell(world.bells), EventStore(database)
    sessions = SessionService(
        *(store, lookups, folders.mounting),
        driver=lifecycle,
        news=signals,
        terms=Terms(clock, Maxima(**config.seconds_max)),
    )
    history = HistoryService(lookups, bell, clock)
    runs = executions_gateway.RunGateway(world.client_for_users, config.agent_secret, clock)
    routes = Routes(lookups)
    world.bells.hear("session_history", routes.forget)
    executions = ExecutionService(lookups, routes, runs, clock)
    feed = Feed(rows, bell, signals.history)
    images, rescanner = _images(world)
    return Services(
        identity=identity,
        images=images,
        folders=folders.routes,
        agents=agents,
        sessions=sessions,
        prompt=PromptService(sessions, history, executions, routes=routes, clock=clock),
        running=_running(world, executions, runs),
        history=history,
        events=EventService(rows, bell, feed),
        loops=Loops(
            signals=signals,
            scheduler=Scheduler(PlacementStore(database, clock), lifecycle, signals.queue),
            dependencies=Dependencies(store),
            expiry=_expiry(store, kernels, lifecycle, reconciler),
            drain=_expiry(DrainStore(database), kernels, lifecycle, reconciler),
            lifecycle=lifecycle,
            reconciler=reconciler,
            kernel_removal=KernelRemoval(RemovalBooks(database), kernels),
            agents=agents,
            feed=feed,
            folders=folders.loops,
            rescanner=rescanner,
            keys=keys,
            keys_wake=keys_wake,
        ),
    )


def _expiry(
    deadlines: Deadlines,
    kernels: sessions_gateway.AgentGateway,
    lifecycle: Lifecycle,
    reconciler: Reconciler,
) -> Expiry:
    return Expiry(deadlines, kernels, driver=lifecycle, suspect=reconciler.agents_changed)


def _running(
    world: World, executions: ExecutionService, runs: executions_gateway.RunGateway
) -> list[web.RouteDef]:
    """Return the addresses of what runs in sessions."""
    auth = http_client.Signed(CREDENTIAL, world.config.agent_secret, world.clock)
    return [
        *executions_http.routes(executions),
        *terminals_http.routes(TerminalService(executions, runs, world.sockets, auth)),
        *streams_http.routes(StreamService(executions, world.sockets, auth)),
    ]


def _images(world: World) -> tuple[ImageService, Rescanner]:
    config, clock = world.config, world.clock
    store = ImageStore(world.database, config.id)
    rescans = RescanStore(world.database, config.id)
    secrets = images_gateway.SecretFiles(config.secrets)
    rescanner = Rescanner(store, rescans, images_gateway.RegistryGateway(secrets, clock))
    service = ImageService(store, store, rescans, secrets, worker=rescanner, clock=clock)
    return service, rescanner


async def _serve(
    world: World, services: Services, listener: socket.socket, stack: AsyncExitStack
) -> None:
    """Serve, and tell in etcd that we do: gone from there before the first request is refused."""
    config = world.config
    app = http_server.application(
        [
            *_routes(services, world),
            http_server.health(
                COMPONENT,
                config.id,
                startup.check(world.database.check, world.events.check, world.etcd.check),
                world.clock,
            ),
        ],
        middlewares=[within_deadline, identity_http.authentication(services.identity)],
    )
    await stack.enter_async_context(http_server.serve(app, listener))
    record = nodes.ManagerRecord(id=config.id, instance=ids.instance(), address=config.advertise)
    await stack.enter_async_context(
        etcd_registration.Registration.open(
            world.etcd,
            nodes.MANAGERS + config.id,
            decode.encode(record),
            lease_seconds=nodes.LEASE_SECONDS,
        )
    )


def _routes(services: Services, world: World) -> list[web.RouteDef]:
    return [
        *identity_http.routes(services.identity),
        *images_http.routes(services.images),
        *services.folders,
        *agents_http.routes(services.agents),
        *sessions_http.routes(services.sessions, services.prompt, services.history),
        *services.running,
        *events_http.routes(services.events, world.clock),
        diagnostics.route(lambda: services.events.streams, lambda: world.bells.subscriptions),
    ]
