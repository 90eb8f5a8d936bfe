"""What users do with sessions, over fakes: mounts are checked before anything is written, another's session does not exist."""

import msgspec
import pytest

from quarterdeck.manager.folders.errors import StorageUnreachable
from quarterdeck.manager.identity.model import Principal
from quarterdeck.manager.sessions import errors, model, naming
from quarterdeck.manager.sessions.maxima import NO_MAXIMA, Maxima, Terms
from quarterdeck.manager.sessions.outlook import Situation
from quarterdeck.manager.sessions.service import SessionService
from quarterdeck.manager.sessions.termination import Termination
from quarterdeck.testing.fakes.clock import EPOCH, FakeClock
from quarterdeck.testing.fakes.manager import ADDRESS, FakeKernels, Recorder
from quarterdeck.wire.agents import KernelCreate
from quarterdeck.wire.errors import Invalid
from quarterdeck.wire.sessions import (
    IsolationLevel,
    Limits,
    Mount,
    SessionCreate,
    SessionView,
    Slots,
)
from quarterdeck.wire.states import SessionStatus, SessionType
from quarterdeck.wire.users import Role

ADA, BOB = Principal("ada", Role.USER), Principal("bob", Role.USER)
FOLDER = "00000000-0000-7000-8000-000000000001"


class Store:
    """The ports `Sessions` and `Lookups`: what was inserted, in a dict; one folder of ada's."""

    def __init__(self):
        self.new, self.views, self.routes, self.kept = {}, {}, {}, {}
        self.situations: dict[str, Situation] = {}
        self.vanishing = None
        self.unknown = model.Route("ada", SessionStatus.RUNNING, None, None)

    async def named(self, owner, name):  # noqa: ARG002 - all are of one owner
        self.views.pop(self.vanishing, None)
        view = self._holder(name)
        if view is None:
            return None
        given = self.new[view.id].given
        return naming.Holder(view, given.environment, given.isolation)

    async def insert(self, new):
        if new.given.name and self._holder(new.given.name):
            raise errors.SessionNameTaken
        self.new[new.id] = new
        self.views[new.id] = SessionView(
            id=new.id,
            name=new.given.name,
            owner=new.owner,
            image=new.given.image,
            status=SessionStatus.PENDING,
            slots=new.given.slots,
            created_at=EPOCH,
            mounts=new.given.mounts,
            limits=new.given.limits,
            depends_on=new.given.depends_on,
            batch_seconds=new.given.batch_seconds,
            lifetime_seconds=new.given.lifetime_seconds,
            idle_seconds=new.given.idle_seconds,
        )
        return model.Inserted(self.views[new.id])

    async def view(self, session):
        return self.views.get(session)

    async def terminate(self, session, by):
        view = self.views.get(session)
        if view is None or not by.may_see(view.owner):
            return Termination()
        return Termination([model.Due("agent", session, "k")])

    async def restart(self, session, _by):
        view = self.views.get(session)
        if view is None or view.status is not SessionStatus.RUNNING:
            return []
        self.views[session] = msgspec.structs.replace(view, status=SessionStatus.RESTARTING)
        return [model.Due("agent", session, "k")]

    async def force_end(self, session, by):
        return bool((await self.terminate(session, by)).kernels)

    async def flush(self, session):
        return session in self.views

    async def list(self, owner, query):
        raise NotImplementedError

    async def history(self, session, after):
        raise NotImplementedError

    async def route(self, session, hostname):
        return self.routes.get(session) if hostname == model.MAIN_HOSTNAME else self.unknown

    async def situation(self, session):
        return self.situations.get(session)

    async def kept_logs(self, session):
        return self.kept.get(session)

    def _holder(self, name):
        return next((one for one in self.views.values() if one.name == name), None)


class Sources:
    """Where folders are mounted."""

    def __init__(self):
        self.failure: Exception | None = None

    async def sources(self, by, mounts):
        if self.failure:
            raise self.failure
        return tuple(f"/{by.user}/{mount.folder}" for mount in mounts)


class World:
    """The use cases on fakes."""

    def __init__(self, maxima=NO_MAXIMA):
        self.store, self.kernels, self.sources = Store(), FakeKernels(), Sources()
        self.told = Recorder()
        self.service = SessionService(
            self.store,
            self.store,
            self.sources,
            driver=self.told,
            news=self.told,
            terms=Terms(FakeClock(), maxima),
        )

    async def make(self, **given):
        plain = SessionCreate(image="python:3.11")
        asked = msgspec.structs.replace(plain, **given)
        return (await self.service.create(ADA, asked)).view

    async def running(self, address=ADDRESS, **facts):
        view = await self.make()
        request = KernelCreate(session=view.id, image=view.image, slots=view.slots)
        await self.kernels.create(ADDRESS, "k", request)
        self.store.routes[view.id] = model.Route(
            "ada", SessionStatus.RUNNING, "k", address, **facts
        )
        return view.id


async def test_created_session_wakes_the_scheduler():
    world = World()
    view = await world.make(name="mine")
    assert world.told.told == [("created", view.id)]


async def test_mounts_get_their_directories():
    world = World()
    view = await world.make(mounts=(Mount(FOLDER, "data"),))
    assert world.store.new[view.id].sources == (f"/ada/{FOLDER}",)


async def test_storage_that_is_away_refuses_and_nothing_is_written():
    world = World()
    world.sources.failure = StorageUnreachable()
    with pytest.raises(StorageUnreachable):
        await world.make(mounts=(Mount(FOLDER, "data"),))
    assert world.store.new == {}


async def test_session_of_another_does_not_exist():
    world = World()
    session = await world.running()
    for attempt in (
        world.service.get(BOB, session),
        world.service.terminate(BOB, session),
    ):
        with pytest.raises(errors.SessionNotFound):
            await attempt
    assert ("drive", session) not in world.told.told


async def test_terminated_session_is_looked_after():
    world = World()
    view = await world.make()
    await world.service.terminate(ADA, view.id)
    assert ("drive", view.id) in world.told.told


async def test_session_that_is_not_there_cannot_be_flushed():
    """What the database has forgotten was not made. Flush one that is there, then one that is not."""
    world = World()
    view = await world.make()
    await world.service.flush(view.id)
    with pytest.raises(errors.SessionLost):
        await world.service.flush("lost")


async def test_session_ended_by_force_wakes_whoever_tells_its_agents():
    world = World()
    view = await world.make()
    await world.service.force_end(ADA, view.id)
    assert world.told.told[-1] == ("forced", view.id)
    with pytest.raises(errors.SessionNotFound):
        await world.service.force_end(BOB, view.id)


async def test_name_that_is_taken_is_refused_with_the_session_that_has_it():
    world = World()
    first = await world.make(name="mine")
    with pytest.raises(errors.SessionNameTaken) as refused:
        await world.make(name="mine")
    assert (refused.value.field, first.id in refused.value.detail) == ("name", True)


async def test_session_that_is_as_good_is_reused_and_wakes_nobody():
    world = World()
    first = await world.make(name="mine")
    made = await world.service.create(
        ADA, SessionCreate(image="python:3.11", slots=Slots(), name="mine", reuse=True)
    )
    assert (made.view, made.new) == (first, False)
    assert world.told.told == [("created", first.id)]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"image": "python:3.12"}, "image"),
        ({"slots": Slots(2, 256)}, "slots.cpu"),
        ({"slots": Slots(1, 512)}, "slots.memory_mib"),
        ({"type": "batch", "command": ("ls",)}, "type"),
        ({"limits": Limits(pids=8)}, "limits.pids"),
        ({"limits": Limits(disk_mib=8)}, "limits.disk_mib"),
        ({"limits": Limits(cpu_seconds=8)}, "limits.cpu_seconds"),
        ({"depends_on": (FOLDER,)}, "depends_on"),
        ({"lifetime_seconds": 8}, "lifetime_seconds"),
        ({"idle_seconds": 8}, "idle_seconds"),
        ({"environment": {"TOKEN": "secret"}}, "environment"),
        ({"isolation": IsolationLevel.NAMESPACED}, "isolation"),
    ],
)
async def test_session_that_differs_is_not_reused(changes, field):
    world = World()
    await world.make(name="mine")
    changes = {"type": SessionType(changes.pop("type", "interactive"))} | changes
    with pytest.raises(errors.SessionNameTaken) as refused:
        await world.make(name="mine", reuse=True, **changes)
    assert refused.value.field == field
    assert "secret" not in refused.value.detail


async def test_session_that_is_ending_is_not_reused():
    world = World()
    first = await world.make(name="mine")
    world.store.views[first.id] = msgspec.structs.replace(first, status=SessionStatus.TERMINATING)
    with pytest.raises(errors.SessionNameTaken) as refused:
        await world.make(name="mine", reuse=True)
    assert "TERMINATING" in refused.value.detail


async def test_name_whose_holder_has_just_ended_is_tried_again():
    world = World()
    first = await world.make(name="mine")
    world.store.vanishing = first.id
    again = await world.make(name="mine")
    assert again.id != first.id


async def test_times_beyond_the_maxima_are_refused_and_the_rest_gets_them():
    world = World(Maxima(batch_seconds=60, lifetime_seconds=600, idle_seconds=30))
    for field, given in (
        ("lifetime_seconds", {"lifetime_seconds": 601}),
        ("idle_seconds", {"idle_seconds": 31}),
        ("batch_seconds", {"batch_seconds": 61, "type": SessionType.BATCH, "command": ("x",)}),
    ):
        with pytest.raises(Invalid) as refused:
            await world.make(**given)
        assert refused.value.field == field
    assert world.store.new == {}
    times = []
    batch = {"type": SessionType.BATCH, "command": ("x",)}
    for wanted in ({"lifetime_seconds": 5}, batch):
        made = world.store.new[(await world.make(**wanted)).id].given
        times.append((made.batch_seconds, made.lifetime_seconds, made.idle_seconds))
    assert times == [(None, 5, 30), (60, 600, None)]


async def test_session_that_waits_says_why_and_one_that_does_not_is_not_looked_into():
    world = World()
    view = await world.make()
    assert await world.service.get(ADA, view.id) == view
    world.store.situations[view.id] = Situation(Slots())
    shown = await world.service.get(ADA, view.id)
    assert (shown.reason, shown.detail) == ("no-agent", "there is no agent")
    world.store.views[view.id] = msgspec.structs.replace(view, status=SessionStatus.RUNNING)
    assert (await world.service.get(ADA, view.id)).detail is None
