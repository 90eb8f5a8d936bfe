"""Storage-proxies from the manager's side: their manager API over HTTP, and what they announce in etcd."""

import contextlib
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence

from quarterdeck.base.config import Secret
from quarterdeck.base.errors import QuarterdeckError
from quarterdeck.infra import etcd, etcd_watch, http_client
from quarterdeck.infra.errors import EtcdUnavailable, OutcomeUnknown, Refused, Unreachable
from quarterdeck.manager import announced
from quarterdeck.manager.folders import errors, model
from quarterdeck.wire import folders, nodes, trees

_REFUSALS: Mapping[str, type[QuarterdeckError]] = {
    "host-not-found": errors.HostNotFound,
    "host-not-mountable": errors.HostNotMountable,
    "storage-full": errors.StorageFull,
    "unavailable": errors.StorageBrokeOff,
    "quota-exceeded": errors.QuotaExceeded,
    "quota-unsupported": errors.QuotaUnsupported,
    "file-busy": errors.FileBusy,
    "tree-not-found": errors.TreeMissing,
}


class StorageGateway:
    """The port `Trees` over HTTP."""

    def __init__(self, client: http_client.HttpClient, secret: Secret) -> None:
        self._client = client
        self._auth = http_client.Bearer(secret)

    async def create(self, host: model.Host, tree: str, scope: str) -> None:
        """Make an empty tree in a quota scope; nothing happens if it is there."""
        url = f"{_url(host, tree)}?scope={scope}"
        with _translated():
            await self._client.call("PUT", url, type(None), auth=self._auth)

    async def remove(self, host: model.Host, tree: str) -> None:
        """Remove a tree and all in it; nothing happens if it is not there."""
        with _translated():
            await self._client.call("DELETE", _url(host, tree), type(None), auth=self._auth)

    async def clone(self, host: model.Host, clone: model.Clone) -> None:
        """Make a tree with a copy of all that is in another; nothing happens if it is there."""
        url = f"{_url(host, clone.source)}/clone"
        given = trees.TreeClone(clone.id, clone.scope)
        with _translated():
            await self._client.call("POST", url, type(None), auth=self._auth, body=given)

    async def rescope(self, host: model.Host, tree: str, given: trees.TreeScope) -> None:
        """Have a tree count for a quota scope, unless a later turn has said another."""
        url = f"{_url(host, tree)}/scope"
        with _translated():
            await self._client.call("PUT", url, type(None), auth=self._auth, body=given)

    async def quota(self, host: model.Host, scope: str) -> trees.QuotaView:
        """Return limits and usage of a quota scope."""
        with _translated():
            return await self._client.call(
                "GET", _scope(host, scope), trees.QuotaView, auth=self._auth
            )

    async def limit(self, host: model.Host, scope: str, limits: trees.QuotaLimits) -> None:
        """Set how much the trees of a quota scope may hold."""
        with _translated():
            await self._client.call(
                "PUT", _scope(host, scope), type(None), auth=self._auth, body=limits
            )

    async def source(self, host: model.Host, tree: str) -> str:
        """Return where a tree is mounted on the agents."""
        with _translated():
            found = await self._client.call(
                "GET", f"{_url(host, tree)}/mount", folders.TreePath, auth=self._auth
            )
        return found.path


class StorageRegistry:
    """The port `Announcements` on etcd."""

    def __init__(self, client: etcd.Etcd) -> None:
        self._client = client

    async def watch(self) -> AsyncIterator[Sequence[model.Host]]:
        """Give all hosts that are announced, now and after each change."""
        changes = etcd_watch.watch(self._client, nodes.STORAGE_PROXIES)
        async for records in announced.follow(changes, folders.StorageRecord):
            yield _hosts(records)

    async def current(self) -> Sequence[model.Host]:
        """Return all hosts that are announced as it is now. Raises `RegistryAway`."""
        try:
            snapshot = await self._client.range(nodes.STORAGE_PROXIES)
        except EtcdUnavailable as error:
            raise errors.RegistryAway from error
        return _hosts(announced.read(snapshot.items, folders.StorageRecord))


def _hosts(records: Sequence[folders.StorageRecord]) -> Sequence[model.Host]:
    return [
        model.Host(name, record.id, record.manager_url, record.client_url)
        for record in records
        for name in record.hosts
    ]


def _scope(host: model.Host, scope: str) -> str:
    return f"{host.manager_url}/manager/v1/scopes/{host.name}/{scope}"


def _url(host: model.Host, tree: str) -> str:
    return f"{host.manager_url}/manager/v1/trees/{host.name}/{tree}"


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except Unreachable as error:
        raise errors.StorageUnreachable from error
    except OutcomeUnknown as error:
        raise errors.StorageUnsure from error
    except Refused as error:
        known = _REFUSALS.get(error.problem.code)
        if known is not None:
            raise known(error.problem.detail) from error
        raise errors.StorageRefused(f"The storage refused: {error.problem.detail}") from error
