"""Calls storage-proxies by the name of a host: finds it, keeps the deadline, looks again where nobody answers."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from quarterdeck.manager.folders import errors, model, ports
from quarterdeck.wire import trees

STORAGE_SECONDS_MAX = 10.0
CLONE_SECONDS_MAX = 6 * 3600.0

_T = TypeVar("_T")


class Storages:
    """The storage-proxies, by the names of their hosts. Each call raises `HostNotFound` and `StorageFailure`."""

    def __init__(self, hosts: ports.HostFinder, trees: ports.Trees) -> None:
        self._hosts = hosts
        self._trees = trees

    async def find(self, name: str) -> model.Host:
        """Return a host."""
        host = await self._hosts.find(name)
        if host is None:
            raise errors.HostNotFound(f"There is no storage host {name!r}", field="host")
        return host

    async def create(self, tree: model.Tree, scope: str) -> None:
        """Make an empty tree in a quota scope; nothing happens if it is there."""

        async def ask(host: model.Host, id_: str) -> None:
            await self._trees.create(host, id_, scope)

        await self._call(tree, ask)

    async def remove(self, tree: model.Tree) -> None:
        """Remove a tree and all in it; nothing happens if it is not there."""
        await self._call(tree, self._trees.remove)

    async def clone(self, clone: model.Clone) -> None:
        """Make a tree with a copy of all that is in another; nothing happens if it is there. It takes as long as it takes."""

        async def ask(host: model.Host, _: str) -> None:
            await self._trees.clone(host, clone)

        await self._call(clone.tree, ask, seconds_max=CLONE_SECONDS_MAX)

    async def rescope(self, rescope: model.Rescope, *, must_fit: bool) -> None:
        """Have a tree count for a quota scope, unless a later turn has said another. Raises `TreeMissing`, `QuotaExceeded` too."""
        given = trees.TreeScope(rescope.scope, rescope.turn, must_fit)

        async def ask(host: model.Host, id_: str) -> None:
            await self._trees.rescope(host, id_, given)

        await self._call(rescope.tree, ask)

    async def source(self, tree: model.Tree) -> str:
        """Return where a tree is mounted on the agents. Raises `HostNotMountable` too."""
        return await self._call(tree, self._trees.source)

    async def _call(
        self,
        tree: model.Tree,
        ask: Callable[[model.Host, str], Awaitable[_T]],
        *,
        seconds_max: float | None = None,
    ) -> _T:
        host = await self.find(tree.host)
        try:
            return await _in_time(ask(host, tree.id), seconds_max)
        except errors.StorageUnreachable:
            elsewhere = await self._hosts.moved(host)
            if elsewhere is None:
                raise
        return await _in_time(ask(elsewhere, tree.id), seconds_max)


async def _in_time(answer: Awaitable[_T], seconds_max: float | None) -> _T:
    try:
        async with asyncio.timeout(seconds_max or STORAGE_SECONDS_MAX):
            return await answer
    except TimeoutError as error:
        raise errors.StorageUnsure from error
