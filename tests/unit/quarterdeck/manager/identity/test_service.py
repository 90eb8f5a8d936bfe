"""Users and signatures over a fake store: who is let in, who may manage users, what a deleted key gets."""

import pytest

from quarterdeck.base.config import Secret
from quarterdeck.manager.identity import errors
from quarterdeck.manager.identity.cache import Cache
from quarterdeck.manager.identity.model import Principal
from quarterdeck.manager.identity.service import Identity
from quarterdeck.testing.fakes.clock import EPOCH, FakeClock
from quarterdeck.testing.fakes.users import FakeUsers
from quarterdeck.wire import signing
from quarterdeck.wire.errors import DateSkewed, SignatureMismatch
from quarterdeck.wire.users import Role, UserCreate

ADMIN = Principal("root", Role.ADMIN)
ADA = Principal("ada", Role.USER)
MESSAGE = signing.Message("GET", "/v1/sessions", "localhost", "", b"")


class Trees:
    """Whoever removes files; counts how often that was asked for."""

    def __init__(self):
        self.asked = 0

    def soon(self):
        self.asked += 1


def identity(store, clock=None, trees=None):
    clock, trees = clock or FakeClock(), trees or Trees()
    return Identity(store, trees, Cache(clock), clock=clock, master_key=Secret("master"))


def claim(keypair, message=MESSAGE, at=EPOCH):
    headers = signing.sign(message, keypair.access_key, keypair.secret_key, at)
    return signing.read_claim(headers["Authorization"], headers[signing.DATE_HEADER])


async def test_created_user_signs_with_the_key_pair_shown_once():
    store = FakeUsers()
    service = identity(store)
    made = await service.create(ADMIN, UserCreate("ada"))
    principal = await service.authenticate(claim(made.keypair), MESSAGE)
    assert principal == Principal(made.user.id, Role.USER)


async def test_second_request_asks_the_store_no_more():
    store = FakeUsers()
    service = identity(store)
    made = await service.create(ADMIN, UserCreate("ada"))
    for _ in range(3):
        await service.authenticate(claim(made.keypair), MESSAGE)
    assert store.asked == 1


async def test_altered_request_is_refused_without_asking_the_store():
    store = FakeUsers()
    service = identity(store)
    made = await service.create(ADMIN, UserCreate("ada"))
    with pytest.raises(SignatureMismatch):
        await service.authenticate(claim(made.keypair), MESSAGE._replace(target="/v1/users"))
    assert store.asked == 0


async def test_old_request_is_refused():
    clock = FakeClock()
    service = identity(FakeUsers(), clock)
    made = await service.create(ADMIN, UserCreate("ada"))
    clock.advance(signing.SKEW_MAX.total_seconds() + 1)
    with pytest.raises(DateSkewed):
        await service.authenticate(claim(made.keypair), MESSAGE)


async def test_deleted_user_is_out_at_once():
    service = identity(FakeUsers())
    made = await service.create(ADMIN, UserCreate("ada"))
    await service.authenticate(claim(made.keypair), MESSAGE)
    await service.delete(ADMIN, made.user.id)
    with pytest.raises(errors.KeyInactive):
        await service.authenticate(claim(made.keypair), MESSAGE)


async def test_deleted_user_s_files_are_left_to_the_loop():
    trees = Trees()
    service = identity(FakeUsers(), trees=trees)
    made = await service.create(ADMIN, UserCreate("ada"))
    await service.delete(ADMIN, made.user.id)
    assert trees.asked == 1


async def test_users_are_managed_by_administrators_only():
    service = identity(FakeUsers())
    for attempt in (
        service.create(ADA, UserCreate("x")),
        service.list(ADA),
        service.delete(ADA, "y"),
    ):
        with pytest.raises(errors.Forbidden):
            await attempt


async def test_nobody_deletes_themselves():
    with pytest.raises(errors.Forbidden):
        await identity(FakeUsers()).delete(ADMIN, ADMIN.user)


async def test_missing_user_is_not_found():
    service = identity(FakeUsers())
    with pytest.raises(errors.UserNotFound):
        await service.delete(ADMIN, "nobody")
    with pytest.raises(errors.UserNotFound):
        await service.me(ADA)
