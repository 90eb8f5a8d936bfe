"""Following over fakes: rows in order, the horizon waits for transactions under way, places are bounded, nobody stays subscribed."""

import contextlib

import pytest

from quarterdeck.base.tasks import Wake
from quarterdeck.manager.events import errors, model, service
from quarterdeck.manager.events import feed as feeds
from quarterdeck.manager.events.feed import Feed
from quarterdeck.manager.identity.model import Principal
from quarterdeck.testing.fakes.clock import EPOCH
from quarterdeck.wire.sessions import HistoryRow
from quarterdeck.wire.states import SessionStatus
from quarterdeck.wire.users import Role

ADA, BOB = Principal("ada", Role.USER), Principal("bob", Role.USER)
ROOT = Principal("root", Role.ADMIN)
PER_LOOK = 2


class Book:
    """A history of Ada's session "s" and Bob's "t", and its bell. Rows in `hidden` are not committed yet."""

    def __init__(self):
        self.rows, self.hidden, self.given, self.subscribed = [], set(), 0, []
        self.writing = []

    def add(self, session="s", status="PENDING", *, hidden=False):
        self.given += 1
        self.rows.append(row(self.given, session, status))
        if hidden:
            self.hidden.add(self.given)

    def visible(self, after, *sessions):
        wanted = [each for each in self.rows if each.session in sessions and each.seq > after]
        return [each for each in wanted if each.seq not in self.hidden][:PER_LOOK]

    async def of_session(self, session, after):
        if session not in {"s", "t"}:
            return None
        rows = self.visible(after, session)
        last = [each for each in self.rows if each.to_status in {"TERMINATED", "CANCELLED"}]
        ended = last[-1] if last and len(rows) < PER_LOOK else None
        return model.Recorded("ada" if session == "s" else "bob", tuple(rows), ended)

    async def of_owner(self, owner, after, until):
        rows = [
            each
            for each in self.visible(after, "s" if owner == "ada" else "t")
            if each.seq <= until
        ]
        return rows, until if len(rows) < PER_LOOK else rows[-1].seq

    async def mark(self):
        return self.given

    async def writers(self):
        writers = self.writing.pop(0) if self.writing else set()
        if not self.writing:
            self.hidden.clear()
        return writers

    async def owners(self, after, until):
        found = {each.session for each in self.rows if after < each.seq <= until}
        return ["ada" if each == "s" else "bob" for each in found]

    @contextlib.contextmanager
    def waiting(self, session, wake):
        self.subscribed.append((session, wake))
        yield
        self.subscribed.remove((session, wake))

    @contextlib.contextmanager
    def anything(self, wake):
        self.subscribed.append(("anything", wake))
        yield
        self.subscribed.remove(("anything", wake))


@pytest.fixture
def book():
    return Book()


@pytest.fixture
def feed(book):
    return Feed(book, book, Wake())


@pytest.fixture
def events(book, feed):
    return service.EventService(book, book, feed)


async def test_session_is_followed_in_parts_to_its_end(book, events):
    for status in ("PENDING", "SCHEDULED", "CANCELLED"):
        book.add(status=status)
    watch = events.session(ADA, "s", None)
    first, second = await watch.look(), await watch.look()
    assert [each.seq for each in first.rows] == [1, 2]
    assert first.last is None
    assert [each.seq for each in second.rows] == [3]
    assert second.last.to_status == "CANCELLED"


@pytest.mark.parametrize(("who", "session"), [(BOB, "s"), (ADA, "nobody")])
async def test_session_of_another_cannot_be_followed(events, who, session):
    with pytest.raises(errors.SessionNotFound):
        await events.session(who, session, None).look()


async def test_administrator_follows_any_session(book, events):
    book.add()
    assert len((await events.session(ROOT, "s", None).look()).rows) == 1


async def test_own_sessions_are_followed_from_now_on(book, feed, events):
    book.add()
    watch, wake = events.own(ADA, None), Wake()
    with watch.ringing(wake):
        assert await watch.look() == model.Batch((), 1)
        book.add()
        book.add("t")
        await feed.step()
        assert [each.seq for each in (await watch.look()).rows] == [2]
        assert await watch.look() == model.Batch((), 3)


async def test_row_that_commits_late_is_waited_for(book, feed, events):
    watch = events.own(ADA, 0)
    with watch.ringing(Wake()):
        await feed.step()
        book.add(hidden=True)
        book.add()
        book.writing = [{"late", "later"}, {"late", "new"}, {"new"}]
        await feed.step()
        assert [each.seq for each in (await watch.look()).rows] == [1, 2]


async def test_transaction_that_does_not_end_is_told(book, feed, events, monkeypatch):
    monkeypatch.setattr(feeds, "SETTLE_SECONDS", 0.0)
    with events.own(ADA, 0).ringing(Wake()):
        await feed.step()
        book.add()
        book.writing = [{"stuck"}] * (feeds.SETTLE_LOOKS_MAX + 2)
        with pytest.raises(TimeoutError, match="1 transactions that write history"):
            await feed.step()
        assert feed.horizon == 0


async def test_only_those_whom_it_concerns_are_rung_for(book, feed, events):
    ada, bob = Wake(), Wake()
    with events.own(ADA, 0).ringing(ada), events.own(BOB, 0).ringing(bob):
        await feed.step()
        assert await ada.wait(0)
        assert await bob.wait(0)
        book.add("t")
        await feed.step()
        assert not await ada.wait(0)
        assert await bob.wait(0)


async def test_nobody_who_has_gone_stays_subscribed(book, feed, events):
    with events.own(ADA, 0).ringing(Wake()), events.own(ADA, 0).ringing(Wake()):
        assert [what for what, _ in book.subscribed] == ["anything"]
    assert book.subscribed == []
    book.add()
    await feed.step()
    assert feed.horizon is None


def test_places_are_bounded_for_one_and_for_all(monkeypatch, events):
    monkeypatch.setattr(service, "STREAMS_PER_USER_MAX", 2)
    monkeypatch.setattr(service, "STREAMS_MAX", 3)
    with events.place(ADA), events.place(ADA):
        with pytest.raises(errors.TooManyStreams, match="2"), events.place(ADA):
            pass
        with events.place(BOB), pytest.raises(errors.TooManyStreams), events.place(ROOT):
            pass
        assert events.streams == 2
    assert events.streams == 0


def row(seq, session, status):
    return HistoryRow(
        seq=seq, session=session, to_status=SessionStatus(status), at=EPOCH, cause="x", actor="ada"
    )
