"""What /proc tells about CPU and memory, and curves made of it."""

from shakeout.process import procfs
from shakeout.report import lanes, sampler, series
from shakeout.report.model import Usage

STAT = b"7 (a) b) c) S 1 7 7 0 -1 0 1 2 3 4 100 50 30 20 20 0 1 0 99 1000 500 0"
STATM = b"1000 300 100 1 0 50 0"


def test_usage_counts_own_time_and_that_of_children_that_were_waited_for():
    cpu, memory = sampler.parse_usage(STAT, STATM)
    assert cpu == 200 / procfs.TICKS_PER_SECOND
    assert memory == 200 * procfs.PAGE_BYTES, "without shared pages"


def test_cpu_is_the_share_of_one_core_between_samples(story):
    usages = tuple(Usage(float(at), "boat", cpu, 1) for at, cpu in ((0, 1.0), (2, 2.0), (3, 2.0)))
    assert series.cpu(story(usages=usages), "boat") == [(2.0, 50.0), (3.0, 0.0)]


def test_cpu_counts_anew_after_a_restart(story):
    usages = tuple(Usage(float(at), "boat", cpu, 1) for at, cpu in ((0, 9.0), (1, 0.5), (2, 0.75)))
    assert series.cpu_seconds(story(usages=usages), "boat") == 0.75


def test_the_axis_begins_with_the_first_thing_known(story):
    axis = lanes.axis(story(began=1000.2))
    assert axis.start == 1000.0
    assert axis.seconds == 4.0


def test_bars_that_overlap_stand_in_different_rows(story):
    steps = [event for event in story().events if event.kind in ("step", "wait")]
    found = lanes.bars(steps, lanes.axis(story()))
    assert [bar.row for bar in found] == [0, 0, 1]


def test_marks_of_one_spot_are_the_most_severe_and_count_the_others(story):
    lines = [story().lines[0]] * 5 + [story().lines[2]]
    axis = lanes.Axis(1000.0, 100_000.0)
    (mark,) = lanes.marks(lines, axis)
    assert (mark.line.event, mark.hidden) == ("leaking\nbadly", 5)


def test_ticks_stand_at_round_places():
    assert list(lanes.ticks(4.9)) == [0, 1, 2, 3, 4]
    assert list(lanes.ticks(0.08))[1] == 0.01


def test_durations_are_told_in_fitting_units():
    told = [lanes.duration(each) for each in (0, 0.0004, 0.012, 3.456, 125, -0.5)]
    assert told == ["0 ms", "400 us", "12 ms", "3.46 s", "2 min 5 s", "-500 ms"]
