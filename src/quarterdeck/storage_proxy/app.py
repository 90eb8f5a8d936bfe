"""Puts a storage-proxy together and runs it: volumes, service, both APIs, registration in etcd. Nothing else makes adapters."""

import asyncio
import contextlib
import importlib
import logging
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from pathlib import Path

from quarterdeck.base import clock as clocks
from quarterdeck.base import tasks
from quarterdeck.base.clock import Clock
from quarterdeck.infra import etcd_registration, http_server
from quarterdeck.infra.etcd import Etcd
from quarterdeck.storage_proxy import ports
from quarterdeck.storage_proxy.config import Config, LocalVolumeConfig, VolumeConfig
from quarterdeck.storage_proxy.http import addresses, tus
from quarterdeck.storage_proxy.http.gate import Gate
from quarterdeck.storage_proxy.http.manager_api import ManagerApi
from quarterdeck.storage_proxy.http.small_files import SmallFiles
from quarterdeck.storage_proxy.model import Limits
from quarterdeck.storage_proxy.service import Host, StorageService
from quarterdeck.storage_proxy.transfers.slots import Slots
from quarterdeck.storage_proxy.volumes import lazy, local
from quarterdeck.wire import decode, nodes
from quarterdeck.wire.folders import StorageRecord

_log = logging.getLogger(__name__)

READ_BYTES = 1024 * 1024
"""How much of an upload a connection takes in while a block is written; it stops the socket at twice as much."""

SWEEP_SECONDS = 300
"""Between two looks for uploads that have expired."""

_S3 = "quarterdeck.storage_proxy.volumes.s3"
"""Imported at the first use of such a volume, as it takes most of a second."""


async def run(config: Config, stop: asyncio.Event) -> None:
    """Serve until `stop` is set."""
    clock = clocks.opened(config.clock_shift)
    limits = Limits()
    health = _Health()
    async with AsyncExitStack() as stack:
        etcd = await stack.enter_async_context(Etcd.open(config.etcd_url))
        hosts = {
            name: Host(
                name, *await stack.enter_async_context(_opened(volume, etcd, clock, limits))
            )
            for name, volume in config.volumes.items()
        }
        storage = StorageService(hosts, limits)
        gate, slots = Gate(config.token_key, clock), Slots(limits.transfers_max)
        app = http_server.application(
            [
                *ManagerApi(storage, config.storage_secret).routes(),
                *addresses.client(storage, gate, slots, clock),
                http_server.health("storage-proxy", config.id, health.check, clock),
            ]
        )
        app.on_response_prepare.append(tus.add_headers)
        background = await stack.enter_async_context(tasks.background())
        background.start(tasks.every(SWEEP_SECONDS, storage.sweep, name="sweep"))
        listener = http_server.listen(config.listen)
        await stack.enter_async_context(
            http_server.serve(
                app,
                listener,
                read_bytes=READ_BYTES,
                prompt=SmallFiles(storage, gate, slots),
            )
        )
        health.registration = await stack.enter_async_context(_registered(etcd, config))
        _log.info("storage-proxy-ready", extra={"hosts": sorted(hosts)})
        await stop.wait()


class _Health:
    """Well when the registration stands, by which the manager finds us."""

    def __init__(self) -> None:
        self.registration: etcd_registration.Registration | None = None

    async def check(self) -> str | None:
        if self.registration is None:
            return "starting"
        return None if self.registration.healthy else "not registered in etcd"


@contextlib.asynccontextmanager
async def _opened(
    volume: VolumeConfig, etcd: Etcd, clock: Clock, limits: Limits
) -> AsyncIterator[tuple[str, ports.Volume]]:
    """Own a volume for the time of a block; give its kind with it."""
    if isinstance(volume, LocalVolumeConfig):
        with contextlib.closing(local.LocalVolume(Path(volume.path), clock, limits)) as here:
            yield "local", here
        return

    async def far() -> AbstractAsyncContextManager[lazy.Opened]:
        module = await asyncio.to_thread(importlib.import_module, _S3)
        opening: AbstractAsyncContextManager[lazy.Opened]
        opening = module.open_volume(volume, limits, etcd, clock)
        return opening

    async with contextlib.aclosing(lazy.LazyVolume(far)) as there:
        yield "s3", there


def _registered(
    etcd: Etcd, config: Config
) -> AbstractAsyncContextManager[etcd_registration.Registration]:
    record = StorageRecord(
        id=config.id,
        client_url=config.advertise,
        manager_url=config.advertise,
        hosts=tuple(sorted(config.volumes)),
    )
    return etcd_registration.Registration.open(
        etcd,
        nodes.STORAGE_PROXIES + config.id,
        decode.encode(record),
        lease_seconds=nodes.LEASE_SECONDS,
    )
