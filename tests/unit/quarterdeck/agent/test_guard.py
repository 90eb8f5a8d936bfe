"""The agent's guard with a fake meter: who is ended, why, and who is not."""

from dataclasses import replace

import pytest

from quarterdeck.agent import guard
from quarterdeck.agent.guard import FULL_LOOKS_MAX, Guard, excess
from quarterdeck.agent.inventory.table import Entry
from quarterdeck.agent.kernels.meter import Usage
from quarterdeck.base.clock import SystemClock
from quarterdeck.testing.fakes.agent import FakeKernels
from quarterdeck.testing.fakes.agent_meter import FakeMeter
from quarterdeck.testing.fakes.clock import FakeClock
from quarterdeck.testing.workshops import bare_spec
from quarterdeck.wire.agents import KernelCreate
from quarterdeck.wire.sessions import Limits, Slots

SLOTS = Slots(cpu=1, memory_mib=256)
LIMITS = Limits(pids=10, disk_mib=5, cpu_seconds=60)
MODEST = Usage(threads=1, memory_bytes=2**20, cpu_seconds=1.0)


@pytest.mark.parametrize(
    ("used", "reason"),
    [
        ({}, None),
        ({"memory_bytes": 256 * 2**20}, None),
        ({"memory_bytes": 256 * 2**20 + 1}, "killed: memory limit 256 MiB"),
        ({"threads": 10}, None),
        ({"threads": 11}, "killed: process limit 10"),
        ({"cpu_seconds": 60.5}, "killed: time limit 60 s of processor time"),
    ],
)
def test_what_goes_too_far_is_said_in_words(used, reason):
    assert excess(SLOTS, LIMITS, replace(MODEST, **used), full_looks=1) == reason


def test_without_a_limit_of_time_any_time_is_fine():
    assert excess(SLOTS, Limits(), Usage(1, 0, 10.0**9), full_looks=0) is None


@pytest.fixture
def meter():
    """A meter that says what it is told to."""
    return FakeMeter()


@pytest.fixture
def entry(shakeout_runner):
    """A kernel that runs."""
    return shakeout_runner.run(begun())


async def begun():
    """Make a kernel."""
    one = Entry("k", KernelCreate(session="s", image="i", slots=SLOTS, limits=LIMITS))

    def note(exit_):
        one.exit = exit_

    one.kernel = await FakeKernels().spawn(bare_spec("k"), note)
    return one


async def test_a_kernel_within_its_limits_is_left_alone(entry, meter):
    await Guard(lambda: [entry], meter, SystemClock()).look()
    assert entry.exit is None


async def test_a_kernel_that_is_gone_or_has_not_started_is_nobodys_business(entry, meter):
    meter.used, meter.disk = None, 2**40
    unborn = Entry("n", KernelCreate(session="s", image="i", slots=SLOTS))
    await Guard(lambda: [entry, unborn], meter, SystemClock()).look()
    assert entry.exit is None


async def test_disk_is_counted_with_pauses(entry, meter):
    watching = Guard(lambda: [entry], meter, SystemClock())
    await watching.look()
    meter.disk = 5 * 2**20 + 1
    await watching.look()
    assert entry.exit is None
    await Guard(lambda: [entry], meter, SystemClock()).look()
    assert str(entry.exit) == "killed: disk limit 5 MiB"


async def test_a_long_count_goes_on_in_the_next_look(entry):
    """Many files of one kernel keep nobody waiting for long, and are counted to the end all the same."""
    clock = FakeClock()
    meter = SlowMeter(clock)
    watching = Guard(lambda: [entry], meter, clock)
    for _ in range(SlowMeter.LOOKS - 1):
        await watching.look()
        assert entry.exit is None
    await watching.look()
    assert (str(entry.exit), meter.counts) == ("killed: disk limit 5 MiB", 1)


async def test_the_count_of_a_kernel_that_is_gone_is_given_up(entry):
    clock = FakeClock()
    meter, running = SlowMeter(clock), [entry]
    watching = Guard(lambda: running, meter, clock)
    await watching.look()
    assert not meter.given_up
    running.clear()
    await watching.look()
    assert meter.given_up


class SlowMeter(FakeMeter):
    """Needs some looks to find that a kernel has more than 5 MiB on disk."""

    LOOKS = 4

    def __init__(self, clock):
        super().__init__()
        self._clock = clock
        self.counts, self.given_up = 0, False

    def disk_bytes(self, _kernel, _pid):
        self.counts += 1
        try:
            for look in range(self.LOOKS):
                self._clock.advance(guard.DISK_SECONDS_MAX * 1.5)
                yield look * 2 * 2**20
        finally:
            self.given_up = True


async def test_only_who_stays_at_the_limit_of_processes_is_ended(entry, meter):
    watching = Guard(lambda: [entry], meter, SystemClock())
    meter.used = replace(MODEST, threads=10)
    for _ in range(FULL_LOOKS_MAX - 1):
        await watching.look()
    meter.used = MODEST
    await watching.look()
    meter.used = replace(MODEST, threads=10)
    for _ in range(FULL_LOOKS_MAX - 1):
        await watching.look()
    assert entry.exit is None
    await watching.look()
    assert str(entry.exit) == "killed: process limit 10"


async def test_it_forgets_kernels_that_do_not_run_any_more(entry, meter):
    running = [entry]
    watching = Guard(lambda: running, meter, SystemClock())
    await watching.look()
    running.clear()
    await watching.look()
    running.append(entry)
    meter.disk = guard.DISK_LOOK_SECONDS * 2**40
    await watching.look()
    assert str(entry.exit) == "killed: disk limit 5 MiB"
