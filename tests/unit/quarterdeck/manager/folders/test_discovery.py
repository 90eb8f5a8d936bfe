"""Storage hosts: remembered when announced, looked for when not known, and never forgotten."""

import asyncio

import pytest

from quarterdeck.infra.errors import EtcdUnavailable
from quarterdeck.infra.etcd import Etcd
from quarterdeck.manager.folders import discovery, errors, gateway, model, reach
from quarterdeck.testing.fakes.folders import HOST, FakeHosts, FakeTrees


async def test_announced_hosts_are_remembered():
    table, announcements = FakeHosts(known=()), FakeHosts()
    announcements.announced = [[HOST], []]
    await discovery.HostDiscovery(table, announcements).follow()
    assert table.known == {"local": HOST}


async def test_host_announced_a_moment_ago_is_found():
    table, announcements = FakeHosts(known=()), FakeHosts()
    announcements.announced = [[HOST]]
    assert await discovery.HostDiscovery(table, announcements).find("local") == HOST
    assert await discovery.HostDiscovery(table, announcements).find("other") is None


ELSEWHERE = model.Host(HOST.name, HOST.proxy, "http://elsewhere", "http://elsewhere")


async def test_host_that_moved_is_found_at_its_new_place():
    table, announcements = FakeHosts(), FakeHosts()
    announcements.announced = [[ELSEWHERE]]
    finder = discovery.HostDiscovery(table, announcements)
    assert await finder.moved(HOST) == ELSEWHERE
    assert await finder.moved(ELSEWHERE) is None


class Moved(FakeTrees):
    """Storage that answers at its new place only."""

    async def create(self, host, tree, scope):
        if host != ELSEWHERE:
            raise errors.StorageUnreachable
        await super().create(host, tree, scope)


async def test_call_that_reaches_nobody_is_made_again_where_the_host_is_now():
    hosts, trees = FakeHosts(), Moved()
    hosts.announced = [[ELSEWHERE]]
    await reach.Storages(hosts, trees).create(model.Tree("t", HOST.name), "ada")
    assert trees.trees == {"t"}


async def test_call_that_reaches_nobody_anywhere_fails():
    with pytest.raises(errors.StorageUnreachable):
        await reach.Storages(FakeHosts(), Moved()).create(model.Tree("t", HOST.name), "ada")


class Silent(FakeHosts):
    """Announcements that never come."""

    async def current(self):
        await asyncio.Event().wait()
        return await super().current()


async def test_unknown_host_with_the_registry_away_has_an_error_of_its_own(monkeypatch):
    monkeypatch.setattr(discovery, "REGISTRY_SECONDS_MAX", 0.01)
    finder = discovery.HostDiscovery(FakeHosts(known=()), Silent())
    with pytest.raises(errors.RegistryAway):
        await finder.find("other")


async def test_call_that_reaches_nobody_with_the_registry_away_was_not_made(monkeypatch):
    monkeypatch.setattr(discovery, "REGISTRY_SECONDS_MAX", 0.01)
    finder = discovery.HostDiscovery(FakeHosts(), Silent())
    with pytest.raises(errors.StorageUnreachable):
        await reach.Storages(finder, Moved()).create(model.Tree("t", HOST.name), "ada")


class NoEtcd(Etcd):
    """etcd that does not answer."""

    def __init__(self):
        """Connect to nothing."""

    async def range(self, prefix):
        raise EtcdUnavailable(prefix)


async def test_registry_without_etcd_is_away():
    with pytest.raises(errors.RegistryAway):
        await gateway.StorageRegistry(NoEtcd()).current()


class Stuck(FakeTrees):
    """Storage that never answers."""

    async def create(self, host, tree, scope):
        await asyncio.Event().wait()
        await super().create(host, tree, scope)


async def test_call_that_takes_too_long_has_an_unknown_outcome(monkeypatch):
    monkeypatch.setattr(reach, "STORAGE_SECONDS_MAX", 0.01)
    with pytest.raises(errors.StorageUnsure):
        await reach.Storages(FakeHosts(), Stuck()).create(model.Tree("t", HOST.name), "ada")
