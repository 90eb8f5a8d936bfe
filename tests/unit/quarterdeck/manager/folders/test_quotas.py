"""Quotas over fakes: administrators set them, users see their own."""

import pytest

from quarterdeck.manager.folders import errors
from quarterdeck.manager.folders.quotas import Quotas
from quarterdeck.manager.folders.reach import Storages
from quarterdeck.manager.identity.errors import UserNotFound
from quarterdeck.manager.identity.model import Principal
from quarterdeck.testing.fakes.folders import FakeFolders, FakeHosts, FakeTrees
from quarterdeck.testing.fakes.meters import NO_LIMITS, FakeMeters
from quarterdeck.testing.fakes.shares import FakeShares
from quarterdeck.wire.trees import QuotaLimits
from quarterdeck.wire.users import Role

ADA, ROOT = Principal("ada", Role.USER), Principal("root", Role.ADMIN)
LIMITS = QuotaLimits(1000, 10)


def world():
    meters = FakeMeters()
    storages = Storages(FakeHosts(), FakeTrees())
    return Quotas(FakeShares(FakeFolders()), storages, meters), meters


async def test_limit_is_of_one_user():
    quotas, meters = world()
    assert (await quotas.set(ROOT, "local", "ada", LIMITS)).limits == LIMITS
    assert meters.limits == {"ada": LIMITS}
    assert (await quotas.get(ADA, "local", "ada")).limits == LIMITS
    assert (await quotas.get(ROOT, "local", "bob")).limits == NO_LIMITS


async def test_users_see_their_own_and_set_none():
    quotas, meters = world()
    for attempt in (
        quotas.set(ADA, "local", "ada", LIMITS),
        quotas.get(ADA, "local", "bob"),
        quotas.get(ADA, "local", "nobody"),
    ):
        with pytest.raises(errors.AdministratorsOnly):
            await attempt
    assert meters.limits == {}


async def test_user_and_host_must_be_there():
    quotas, _ = world()
    with pytest.raises(UserNotFound):
        await quotas.set(ROOT, "local", "nobody", LIMITS)
    with pytest.raises(errors.HostNotFound):
        await quotas.set(ROOT, "moon", "ada", LIMITS)
