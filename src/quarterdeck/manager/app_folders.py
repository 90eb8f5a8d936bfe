"""The part of the composition root, `app`, that puts folders together."""

from dataclasses import dataclass

from aiohttp import web

from quarterdeck.base.clock import Clock
from quarterdeck.infra import etcd, http_client, postgres
from quarterdeck.manager.config import Config
from quarterdeck.manager.folders import gateway, http, sharing_http
from quarterdeck.manager.folders.clones_store import CloneStore
from quarterdeck.manager.folders.cloning import Cloning
from quarterdeck.manager.folders.discovery import HostDiscovery
from quarterdeck.manager.folders.gate import Gate
from quarterdeck.manager.folders.lives_store import LifeStore
from quarterdeck.manager.folders.mounting import Mounting
from quarterdeck.manager.folders.quotas import Quotas
from quarterdeck.manager.folders.reach import Storages
from quarterdeck.manager.folders.removals import TreeRemoval
from quarterdeck.manager.folders.service import FolderService
from quarterdeck.manager.folders.shares_store import ShareStore
from quarterdeck.manager.folders.sharing import Sharing
from quarterdeck.manager.folders.store import FolderStore, HostStore
from quarterdeck.manager.folders.transferring import Transferring
from quarterdeck.manager.folders.transfers_store import TransferStore
from quarterdeck.manager.loops import FolderLoops


@dataclass(frozen=True)
class Folders:
    """What there is of folders: addresses, what sessions mount of them, loops."""

    routes: list[web.RouteDef]
    mounting: Mounting
    loops: FolderLoops


def built(
    database: postgres.Database,
    registry: etcd.Etcd,
    client: http_client.HttpClient,
    *,
    config: Config,
    clock: Clock,
) -> Folders:
    """Return folders, put together."""
    known = HostStore(database)
    hosts = HostDiscovery(known, gateway.StorageRegistry(registry))
    trees = gateway.StorageGateway(client, config.storage_secret)
    storages, store, lives = Storages(hosts, trees), FolderStore(database), LifeStore(database)
    removal, gate = TreeRemoval(store, storages), Gate(lives, known)
    service = FolderService(
        *(store, lives, gate),
        storages=storages,
        removal=removal,
        clock=clock,
        token_key=config.storage_token_key,
    )
    cloning = Cloning(CloneStore(database, config.id), gate, storages, clock=clock)
    shares = ShareStore(database)
    sharing = Sharing(shares, gate, rules=known, clock=clock)
    transferring = Transferring(TransferStore(database), gate, storages, shares=shares)
    routes = sharing_http.routes(sharing, Quotas(shares, storages, trees), transferring)
    return Folders(
        [*http.routes(service, gate, cloning), *routes],
        Mounting(gate, storages),
        FolderLoops(hosts, removal, cloning, transferring),
    )
