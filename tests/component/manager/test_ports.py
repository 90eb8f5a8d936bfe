"""One suite for each port, on its fake and on the real thing: what holds for one holds for the other."""

import contextlib
import uuid

import pytest

from quarterdeck.base.clock import SystemClock
from quarterdeck.base.config import Secret
from quarterdeck.infra.http_client import HttpClient
from quarterdeck.manager.folders import errors as folder_errors
from quarterdeck.manager.folders.lives_store import LifeStore
from quarterdeck.manager.folders.model import Tree
from quarterdeck.manager.folders.store import FolderStore
from quarterdeck.manager.identity import errors as user_errors
from quarterdeck.manager.identity.store import UserStore
from quarterdeck.manager.sessions import errors as session_errors
from quarterdeck.manager.sessions.executions_gateway import RunGateway
from quarterdeck.manager.sessions.gateway import AgentGateway
from quarterdeck.testing.fakes.agent_http import StubAgent
from quarterdeck.testing.fakes.folders import FakeFolders
from quarterdeck.testing.fakes.manager import ADDRESS, FakeKernels
from quarterdeck.testing.fakes.runs import FakeRuns
from quarterdeck.testing.fakes.users import FakeUsers
from quarterdeck.wire.agents import KernelCreate, url
from quarterdeck.wire.executions import Execute
from quarterdeck.wire.folders import FolderCreate, FolderStatus
from quarterdeck.wire.sessions import Slots
from quarterdeck.wire.states import KernelStatus
from quarterdeck.wire.users import Role, UserCreate

BOTH = pytest.mark.parametrize("kind", ["fake", "real"])


def name():
    return f"n{uuid.uuid4().hex}"


def new_id():
    return str(uuid.uuid4())


@pytest.fixture
def users(kind, database):
    """The port `Users`."""
    return FakeUsers() if kind == "fake" else UserStore(database)


@pytest.fixture
def folders(kind, database):
    """The ports `Creations` and `Removals`."""
    return FakeFolders() if kind == "fake" else FolderStore(database)


@pytest.fixture
def lives(kind, folders, database):
    """The ports `Looks` and `Lives`, of the same folders."""
    return folders if kind == "fake" else LifeStore(database)


@BOTH
async def test_users_have_names_keys_and_an_end(users):
    """Insert, look, delete."""
    user, key, given = new_id(), name(), UserCreate(name())
    view = await users.insert(user, given, key)
    assert (view.id, view.name, view.role) == (user, given.name, Role.USER)
    assert (await users.principal(key)).user == user
    assert user in [each.id for each in await users.list()]
    with pytest.raises(user_errors.UserNameTaken):
        await users.insert(new_id(), given, name())
    assert await users.delete(user)
    assert await users.principal(key) is None
    assert await users.view(user) is None
    assert not await users.delete(user)


@BOTH
async def test_administrator_is_ensured_as_often_as_one_likes(users):
    """The same key pair twice, then another."""
    first, second = name(), name()
    for key in (first, first, second):
        await users.ensure_admin(new_id(), key)
    principals = {await users.principal(key) for key in (first, second)}
    assert [each.is_admin for each in principals] == [True]


@contextlib.asynccontextmanager
async def owner_of(kind, database):
    """Own a user for the time of a block."""
    user = new_id()
    if kind == "real":
        await UserStore(database).insert(user, UserCreate(name()), name())
    yield user
    if kind == "real":
        await UserStore(database).delete(user)


@BOTH
async def test_folders_are_made_trashed_and_purged(kind, folders, lives, database):
    """Insert, make ready, put into the trash and back, purge, remove the tree."""
    async with owner_of(kind, database) as owner:
        folder, given = new_id(), FolderCreate("data", name())
        await folders.insert(folder, owner, given)
        with pytest.raises(folder_errors.FolderNameTaken):
            await folders.insert(new_id(), owner, given)
        creating = (await lives.access(folder, owner)).view
        assert (creating.status, creating.owner) == (FolderStatus.CREATING, owner)
        with pytest.raises(folder_errors.FolderNotReady):
            await lives.trash(creating, owner)
        assert await folders.ready(folder)
        assert [view.id for view in await lives.list(owner, trash=False)] == [folder]
        view = (await lives.access(folder, owner)).view
        await lives.trash(view, owner)
        assert [each.status for each in await lives.list(owner, trash=True)] == ["TRASHED"]
        await lives.restore(view, owner)
        await lives.trash(view, owner)
        tree = await lives.purge(view, owner)
        assert tree in await folders.due()
        await folders.postpone(tree, "away")
        left = (await lives.access(folder, owner)).view
        assert (left.status, left.detail) == (FolderStatus.DELETE_ERROR, "away")
        assert await lives.purge(left, owner) in await folders.due()
        await folders.done(tree)
        assert tree not in await folders.due()
        assert await lives.access(folder, owner) is None
        assert not await folders.ready(folder)
        with pytest.raises(folder_errors.FolderNotFound):
            await lives.purge(view, owner)


@BOTH
async def test_folder_gets_another_name_unless_it_is_taken(kind, folders, lives, database):
    """Two folders; give one a free name, then the other's."""
    async with owner_of(kind, database) as owner:
        one, other = new_id(), new_id()
        for folder, called in ((one, "one"), (other, "other")):
            await folders.insert(folder, owner, FolderCreate(called, name()))
            await folders.ready(folder)
        view = (await lives.access(one, owner)).view
        await lives.rename(view, "new", owner)
        assert [each.name for each in await lives.list(owner, trash=False)] == ["new", "other"]
        with pytest.raises(folder_errors.FolderNameTaken):
            await lives.rename(view, "other", owner)


@BOTH
async def test_folder_of_another_does_not_exist(kind, folders, lives, database):
    """Two users, one folder."""
    async with owner_of(kind, database) as owner, owner_of(kind, database) as other:
        folder = new_id()
        await folders.insert(folder, owner, FolderCreate("data", name()))
        assert await lives.access(folder, other) is None
        assert await lives.list(other, trash=False) == []


@BOTH
async def test_abandoned_folder_is_gone(kind, folders, lives, database):
    """Give a creation up."""
    async with owner_of(kind, database) as owner:
        folder, given = new_id(), FolderCreate("data", name())
        await folders.insert(folder, owner, given)
        tree = Tree(folder, given.host)
        await folders.abandon(tree, perhaps_created=False)
        assert await lives.access(folder, owner) is None
        assert tree not in await folders.due()


@contextlib.asynccontextmanager
async def agents(kind):
    """Own ports `Kernels` and `Runs` and an address at which an agent answers, for the time of a block."""
    if kind == "fake":
        kernels = FakeKernels()
        yield kernels, FakeRuns(kernels.alive), ADDRESS
        return
    stub = StubAgent("stub", "secret")
    async with HttpClient.open() as client, stub.serving() as address:
        credentials = client, Secret("secret"), SystemClock()
        yield AgentGateway(*credentials), RunGateway(*credentials), url("stub", address)


@BOTH
async def test_kernels_are_made_used_and_ended_by_id(kind):
    """Create twice, execute, read the log, list, destroy twice."""
    async with agents(kind) as (kernels, runs, address):
        kernel, run = new_id(), new_id()
        request = KernelCreate(session=new_id(), image="python:3.11", slots=Slots())
        for _ in range(2):
            view = await kernels.create(address, kernel, request)
            assert (view.id, view.status) == (kernel, KernelStatus.RUNNING)
        for _ in range(2):
            done = await runs.execute(address, kernel, run, Execute("1"))
            assert (done.stdout, done.run) == ("1", run)
        assert kernel in (await runs.logs(address, kernel)).text
        assert kernel in (await kernels.logs(address, kernel)).text
        assert list(await kernels.inventory(address)) == [kernel]
        for _ in range(2):
            await kernels.destroy(address, kernel)
        with pytest.raises(session_errors.AgentRefused) as refused:
            await kernels.logs(address, kernel)
        assert refused.value.refusal == "kernel-not-found"
        with pytest.raises(session_errors.SessionNotRunning):
            await runs.execute(address, kernel, run, Execute("1"))


@BOTH
async def test_agent_that_is_not_there_cannot_be_reached(kind):
    """Call an address where nobody is."""
    async with agents(kind) as (kernels, _, _):
        with pytest.raises(session_errors.AgentUnreachable):
            await kernels.inventory("http://127.0.0.1:1")
        with pytest.raises(session_errors.AgentUnreachable):
            await kernels.destroy("http://127.0.0.1:1", new_id())


async def test_agent_with_another_secret_refuses():
    """A manager that cannot prove itself gets nothing."""
    stub = StubAgent("stub", "secret")
    async with HttpClient.open() as client, stub.serving() as address:
        gateway = AgentGateway(client, Secret("other"), SystemClock())
        with pytest.raises(session_errors.AgentRefused) as refused:
            await gateway.inventory(address)
    assert refused.value.refusal == "signature-mismatch"
