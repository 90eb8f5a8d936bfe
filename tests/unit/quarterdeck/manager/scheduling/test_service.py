"""The scheduling pass over fakes: all that fits is placed, what was placed is handed over, a rival's gain is no error."""

from quarterdeck.manager.scheduling import model
from quarterdeck.manager.scheduling.service import BATCH_SESSIONS_MAX, Scheduler
from quarterdeck.testing.fakes.manager import Recorder
from quarterdeck.testing.fakes.placements import FakePlacements
from quarterdeck.wire.sessions import Slots, Usage


def waiting(count):
    return [model.Waiting(str(number), Slots(1, 100)) for number in range(count)]


def room(cpu):
    return model.Room("a", Usage(cpu, 1_000_000))


async def test_pass_places_what_fits_and_hands_it_over():
    placements, recorder = FakePlacements(waiting(3), [room(2)]), Recorder()
    await Scheduler(placements, recorder).run()
    assert recorder.told == [("drive", "0"), ("drive", "1")]
    assert [each.session for each in placements.waiting] == ["2"]


async def test_pass_goes_on_until_nothing_fits():
    count = BATCH_SESSIONS_MAX * 2 + 3
    placements = FakePlacements(waiting(count), [room(count)])
    await Scheduler(placements, Recorder()).run()
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
    await Scheduler(Rival(waiting(1), [room(1)]), recorder).run()
    assert recorder.told == []


class Taken(FakePlacements):
    """A rival takes the first agent's room before the first decision is written."""

    async def write(self, decided):
        self.rooms.pop("a", None)
        return await super().write([each for each in decided if {*each.agents} <= {*self.rooms}])


async def test_session_that_lost_its_place_gets_another_in_the_same_pass():
    rooms = [room(2), model.Room("b", Usage(1, 1_000_000))]
    recorder = Recorder()
    await Scheduler(Taken(waiting(1), rooms), recorder).run()
    assert recorder.told == [("drive", "0")]
