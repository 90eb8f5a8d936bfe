"""All addresses of the client API."""

from aiohttp import web

from quarterdeck.base.clock import Clock
from quarterdeck.storage_proxy.http.client_api import ClientApi
from quarterdeck.storage_proxy.http.gate import Gate
from quarterdeck.storage_proxy.http.tree_api import TreeApi
from quarterdeck.storage_proxy.http.uploads_api import UploadsApi
from quarterdeck.storage_proxy.service import StorageService
from quarterdeck.storage_proxy.transfers.slots import Slots


def client(storage: StorageService, gate: Gate, slots: Slots, clock: Clock) -> list[web.RouteDef]:
    """Return the routes for holders of a token."""
    return [
        *ClientApi(storage, gate, slots).routes(),
        *UploadsApi(storage, gate, slots, clock).routes(),
        *TreeApi(storage, gate, slots).routes(),
    ]
