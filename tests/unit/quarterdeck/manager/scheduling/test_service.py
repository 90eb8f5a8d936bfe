"""The scheduling pass over fakes: all that fits is placed, what was placed is handed over, a rival's gain is no error."""

import pytest

from quarterdeck.manager.scheduling import model
from quarterdeck.manager.scheduling.service import BATCH_SESSIONS_MAX, Scheduler
from quarterdeck.manager.signals import Queue
from quarterdeck.testing.fakes.manager import Recorder
from quarterdeck.testing.fakes.placements import FakePlacements
from quarterdeck.wire.sessions import Slots, Usage


def waiting(count):
    return [model.Waiting(str(number), Slots(1, 100)) for number in range(count)]


def room(cpu):
    return model.Room("a", Usage(cpu, 1_000_000))


async def test_pass_places_what_fits_and_hands_it_over():
    placements, recorder = FakePlacements(waiting(3), [room(2)]), Recorder()
    await Scheduler(placements, recorder, Queue()).run()
    assert recorder.told == [("drive", "0"), ("drive", "1")]
    assert [each.session for each in placements.waiting] == ["2"]


async def test_pass_goes_on_until_nothing_fits():
    count = BATCH_SESSIONS_MAX * 2 + 3
    placements = FakePlacements(waiting(count), [room(count)])
    await Scheduler(placements, Recorder(), Queue()).run()
    assert placements.waiting == []


class Rival(FakePlacements):
    """Another scheduler takes all room between a decision and its writing."""

    async def write(self, decided):
        decided = []
        self.rooms = {}
        self.waiting = []
        return decided


async def test_decision_that_no_longer_holds_places_nothing():
    recorder = Recorder()
    await Scheduler(Rival(waiting(1), [room(1)]), recorder, Queue()).run()
    assert recorder.told == []


class Taken(FakePlacements):
    """A rival takes the first agent's room before the first decision is written."""

    async def write(self, decided):
        self.rooms.pop("a", None)
        return await super().write([each for each in decided if {*each.agents} <= {*self.rooms}])


async def test_session_that_lost_its_place_gets_another_in_the_same_pass():
    rooms = [room(2), model.Room("b", Usage(1, 1_000_000))]
    recorder = Recorder()
    await Scheduler(Taken(waiting(1), rooms), recorder, Queue()).run()
    assert recorder.told == [("drive", "0")]


class Late(FakePlacements):
    """Somebody comes between the look and its end."""

    def __init__(self, queue):
        super().__init__([], [room(1)])
        self.queue = queue

    async def facts(self, most):
        found = await super().facts(most)
        self.queue.add()
        return found


@pytest.mark.parametrize(
    ("placements", "may"),
    [
        (lambda _: FakePlacements([], [room(1)]), False),
        (lambda _: FakePlacements(waiting(1), []), True),
        (Late, True),
    ],
)
async def test_pass_tells_whether_anybody_waits(placements, may):
    """The ends of sessions wake nobody in vain. Run a pass with nobody, with one who does not fit, and with one who comes meanwhile."""
    queue = Queue()
    await Scheduler(placements(queue), Recorder(), queue).run()
    assert queue.may_hold_somebody is may
