"""The life of a fault: each step in its order, whatever fails on the way, and which error is told."""

import asyncio
import types
from typing import Any

import pytest

from shakeout.faults import coverage, lifecycle, phase
from shakeout.faults.errors import ClusterShared, FaultStuck, FaultUnavailable
from shakeout.system.progress import State
from shakeout.timeline import record
from shakeout.waiting.errors import WaitHopeless, WaitTimedOut


class Storm:
    """A fault that does nothing, notes its steps, and fails at those that it is told to."""

    name = "storm"
    targets = ("boat", "lighthouse")

    def __init__(self, steps, fails=(), missing=(), hangs=()):
        self.steps = steps
        self.fails = fails
        self.missing = missing
        self.hangs = hangs

    def available(self, _cluster):
        return "the sea is calm" if "available" in self.missing else ""

    async def inject(self, _cluster):
        self.step("inject")
        await self.hang("inject")

    async def missing_effect(self, _cluster):
        self.step("effect")
        return "no wind" if "effect" in self.missing else ""

    async def recover(self, _cluster):
        self.step("recover")
        await self.hang("recover")

    async def missing_recovery(self, _cluster):
        self.step("recovery")
        return "still windy" if "recovery" in self.missing else ""

    async def hang(self, name):
        if name in self.hangs:
            await asyncio.Event().wait()

    def step(self, name):
        if not self.steps or self.steps[-1] != name:
            self.steps.append(name)
        if name in self.fails:
            raise OSError(f"{name} went wrong")


class Boat:
    """A member that answers its probes until it is told not to."""

    def __init__(self, steps):
        self.name = "boat"
        self.steps = steps
        self.state = State.READY
        self.running = True
        self.place = None
        self.runner = self
        self.ill_when = ""
        self.process = types.SimpleNamespace(exit_expected=False, expect_exit=self.expect_exit)

    def expect_exit(self):
        self.process.exit_expected = True

    async def probe(self, _place):
        self.steps.append("health")
        ill = self.ill_when and self.ill_when in self.steps
        return "leaks" if ill else ""


class Sea:
    """A cluster of one boat."""

    shared = False
    name = "c1"
    system = types.SimpleNamespace(name="sea")

    def __init__(self):
        self.steps: list[str] = []
        self.boat = Boat(self.steps)
        self.members = {"boat": self.boat}
        self.died = []

    def member(self, name):
        return self.members[name]

    def deaths(self):
        return self.died

    async def start(self, name):
        self.steps.append(f"start {name}")
        self.members[name].running = True

    def injected(self, within=0.05, may_die=(), **storm):
        sea: Any = self
        return lifecycle.injected(Storm(self.steps, **storm), sea, within=within, may_die=may_die)


@pytest.fixture
def sea():
    return Sea()


ALL = ["health", "inject", "effect", "body", "recover", "recovery", "health"]


async def body(sea, error=None, **options):
    async with sea.injected(**options):
        sea.steps.append("body")
        if error:
            raise error


async def test_steps_come_in_their_order(sea):
    await body(sea)
    assert sea.steps == ALL


async def test_error_of_the_body_is_told_after_all_is_undone(sea):
    error = ValueError("man overboard")
    with pytest.raises(ValueError, match="man overboard") as told:
        await body(sea, error)
    assert told.value is error
    assert sea.steps == ALL


async def test_error_of_the_recovery_stays_behind_that_of_the_body(sea):
    with pytest.raises(ValueError, match="man overboard") as told:
        await body(sea, ValueError("man overboard"), fails=("recover",))
    (note,) = told.value.__notes__
    assert note == "undoing the fault storm boat -> lighthouse failed, too: recover went wrong"


async def test_error_of_the_recovery_is_told_when_it_is_the_only_one(sea):
    with pytest.raises(OSError, match="recover went wrong"):
        await body(sea, fails=("recover",))


async def test_half_injected_fault_is_undone(sea):
    with pytest.raises(OSError, match="inject went wrong"):
        await body(sea, fails=("inject",))
    assert sea.steps == ["health", "inject", "recover", "recovery", "health"]


async def test_effect_that_is_not_seen_is_told_and_the_fault_undone(sea):
    with pytest.raises(WaitTimedOut, match="the effect of the fault storm boat") as told:
        await body(sea, missing=("effect",))
    assert "no wind" in str(told.value)
    assert sea.steps == ["health", "inject", "effect", "recover", "recovery", "health"]


async def test_injection_that_does_not_end_is_told_and_the_fault_undone(sea):
    with pytest.raises(FaultStuck, match=r"injecting the fault storm .* not ended within 0.05 s"):
        await body(sea, hangs=("inject",))
    assert sea.steps == ["health", "inject", "recover", "recovery", "health"]


async def test_undoing_that_does_not_end_is_told(sea):
    with pytest.raises(FaultStuck, match=r"undoing the fault storm .* not ended within 0.05 s"):
        await body(sea, hangs=("recover",))
    assert "body" in sea.steps


async def test_recovery_that_is_not_seen_is_told(sea):
    with pytest.raises(WaitTimedOut, match="the recovery from the fault storm") as told:
        await body(sea, missing=("recovery",))
    assert "still windy" in str(told.value)


async def test_nothing_is_done_to_an_ill_cluster(sea):
    sea.boat.ill_when = "health"
    with pytest.raises(WaitTimedOut, match="a healthy cluster before the fault storm") as told:
        await body(sea)
    assert "boat: leaks" in str(told.value)
    assert set(sea.steps) == {"health"}


async def test_cluster_must_be_healthy_afterwards(sea):
    sea.boat.ill_when = "recover"
    with pytest.raises(WaitTimedOut, match="a healthy cluster after the fault storm"):
        await body(sea)


async def test_shared_cluster_is_refused(sea):
    sea.shared = True
    with pytest.raises(ClusterShared, match=r"c1 is shared with other tests.*`private_cluster`"):
        await body(sea)
    assert sea.steps == []


async def test_fault_that_cannot_be_injected_says_why(sea):
    with pytest.raises(FaultUnavailable, match="cannot be injected: the sea is calm"):
        await body(sea, missing=("available",))
    assert sea.steps == []


async def test_death_ends_the_wait_for_an_effect_at_once(sea):
    async with sea.injected():
        sea.died.append("mast exited with code 3")
        expected = sea.injected(within=30, missing=("effect",))
        with pytest.raises(WaitHopeless, match="mast exited with code 3"):
            await expected.__aenter__()
        sea.died.clear()


async def test_member_that_may_die_is_started_again_and_watched(sea):
    async with sea.injected(may_die=("boat",)):
        assert sea.boat.process.exit_expected
        sea.boat.running = False
    assert "start boat" in sea.steps


async def test_member_that_might_have_died_but_did_not_is_watched_again(sea):
    async with sea.injected(may_die=("boat",)):
        pass
    assert not sea.boat.process.exit_expected
    assert "start boat" not in sea.steps


async def test_whole_life_is_counted_with_its_phase(sea, monkeypatch):
    monkeypatch.setattr(coverage, "RUN", counted := coverage.Coverage())
    with phase.during(phase.LOAD):
        await body(sea)
    ((system, cell),) = counted.injected()
    assert (system, cell.member, cell.fault, cell.phases) == ("sea", "boat", "storm", ("load",))


async def test_fault_that_was_not_undone_is_not_counted(sea, monkeypatch):
    monkeypatch.setattr(coverage, "RUN", counted := coverage.Coverage())
    with pytest.raises(OSError, match="recover"):
        await body(sea, fails=("recover",))
    assert counted.injected() == ()


async def test_life_is_recorded_as_one_span_with_notes(sea):
    recording = record.Recording()
    record.current.set(recording)
    await body(sea)
    span, *notes = [event for event in recording.events if event.kind == "fault"]
    assert (span.name, span.fields) == ("storm", {"targets": ["boat", "lighthouse"]})
    assert [note.name for note in notes] == ["effect of storm seen", "recovered from storm"]
    assert span.ended
    assert span.began <= notes[0].began <= notes[1].began <= span.ended
