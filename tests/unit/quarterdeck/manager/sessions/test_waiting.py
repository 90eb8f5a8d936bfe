"""Long polls over fakes: an answer when there is news, when time is up, when waiting is in vain; a bounded number of waiters."""

import asyncio
import contextlib

import pytest

from quarterdeck.base.clock import SystemClock
from quarterdeck.base.tasks import Wake
from quarterdeck.manager.identity.model import Principal
from quarterdeck.manager.sessions import errors, model, waiting
from quarterdeck.testing.fakes import views
from quarterdeck.testing.fakes.clock import EPOCH
from quarterdeck.wire.sessions import HistoryRow
from quarterdeck.wire.states import SessionStatus
from quarterdeck.wire.users import Role

ADA, BOB = Principal("ada", Role.USER), Principal("bob", Role.USER)


class Book:
    """One session's history, and the bell that rings when a row is added."""

    def __init__(self):
        self.rows, self.wakes, self.looked = [], set(), asyncio.Event()

    async def history(self, session, after):
        self.looked.set()
        rows = tuple(row for row in self.rows if row.seq > after)
        return model.Recorded("ada", rows) if session == "s" else None

    async def route(self, session):
        raise NotImplementedError

    @contextlib.contextmanager
    def waiting(self, session, wake):
        self.wakes.add((session, wake))
        yield
        self.wakes.discard((session, wake))

    def add(self, status=SessionStatus.PENDING, kernel=None):
        self.rows.append(
            HistoryRow(
                seq=len(self.rows) + 1,
                session="s",
                kernel=kernel,
                to_status=status,
                at=EPOCH,
                cause="requested",
                actor="ada",
            )
        )
        for _, wake in self.wakes:
            wake.set()


def service(book):
    return waiting.HistoryService(book, book, SystemClock())


def patience(seconds, over=lambda: False, until=None):
    return waiting.Patience(seconds, Wake(), over, until)


async def test_rows_that_are_there_are_answered_at_once():
    book = Book()
    book.add()
    rows = await service(book).history(ADA, "s", 0, patience(30))
    assert [row.seq for row in rows] == [1]


async def test_without_patience_nothing_is_waited_for():
    assert list(await service(Book()).history(ADA, "s", 0, patience(0))) == []


async def test_news_ends_the_wait_and_leaves_no_waiter():
    book = Book()
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        answer = group.create_task(service(book).history(ADA, "s", 0, patience(30)))
        await book.looked.wait()
        book.add()
    assert [row.seq for row in answer.result()] == [1]
    assert book.wakes == set()


@pytest.mark.parametrize("last", ["RUNNING", "TERMINATED", "CANCELLED"])
async def test_wait_for_a_state_ends_with_it_or_with_the_session(last):
    book = Book()
    book.add()
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        waits = patience(30, until=SessionStatus.RUNNING)
        answer = group.create_task(service(book).history(ADA, "s", 0, waits))
        await book.looked.wait()
        book.looked.clear()
        book.add(SessionStatus.RUNNING, kernel="k")
        await book.looked.wait()
        assert not answer.done()
        book.add(SessionStatus(last))
    assert [row.seq for row in answer.result()] == [1, 2, 3]


async def test_time_that_is_up_before_a_state_gives_what_there_is():
    book = Book()
    book.add()
    waits = patience(0.02, until=SessionStatus.RUNNING)
    assert [row.seq for row in await service(book).history(ADA, "s", 0, waits)] == [1]


async def test_time_that_is_up_ends_the_wait_with_nothing():
    assert list(await service(Book()).history(ADA, "s", 0, patience(0.02))) == []


async def test_client_that_hangs_up_ends_the_wait():
    book, gone = Book(), asyncio.Event()
    waits = patience(30, over=gone.is_set)
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        group.create_task(service(book).history(ADA, "s", 0, waits))
        await book.looked.wait()
        gone.set()
        waits.wake.set()
    assert book.wakes == set()


@pytest.mark.parametrize(("who", "session"), [(BOB, "s"), (ADA, "other")])
async def test_session_of_another_has_no_history(who, session):
    with pytest.raises(errors.SessionNotFound):
        await service(Book()).history(who, session, 0, patience(30))


async def test_waiters_are_bounded(monkeypatch):
    monkeypatch.setattr(waiting, "WAITERS_MAX", 1)
    book = Book()
    history = service(book)
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        group.create_task(history.history(ADA, "s", 0, patience(30)))
        await book.looked.wait()
        with pytest.raises(errors.TooManyWaiters):
            await history.history(ADA, "s", 0, patience(30))
        assert list(await history.history(ADA, "s", 0, patience(0))) == []
        book.add()


async def test_nobody_looks_while_the_session_is_in_hand():
    """Each change on the way would cost a look. Hold it in hand, add changes, then give it back; the first look is after that."""
    book, hand, looks = Book(), [True], []

    async def look():
        looks.append(hand[0])
        return views.session(SessionStatus.RUNNING)

    async def told():
        book.add(SessionStatus.SCHEDULED)
        book.add(SessionStatus.CREATING)
        hand[0] = False
        waits.wake.set()

    waits = patience(30, until=SessionStatus.RUNNING)
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        answer = group.create_task(
            service(book).settled("s", look, waits, in_hand=lambda: hand[0])
        )
        group.create_task(told())
    assert (answer.result().status, looks) == ("RUNNING", [False])
