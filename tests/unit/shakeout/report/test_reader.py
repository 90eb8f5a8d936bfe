"""What members log while a test runs, with the time at which it was written."""

import pytest

from shakeout.process import logs
from shakeout.report import reader
from shakeout.report.model import Level
from shakeout.report.reader import Reader


class Fleet:
    """As much of a cluster as the reader wants."""

    names = ("boat",)

    def __init__(self, directory):
        self._directory = directory

    def log(self, name):
        return self._directory / name


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "boat"
    path.write_text("launched\n")
    return path


class Clock:
    """Shows what it is set to."""

    now = 1.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def made(tmp_path, clock):
    """Make a reader of the fleet's logs."""

    def make(*, from_boot=False, ahead=False, prefix=""):
        fleet = Fleet(tmp_path)
        return Reader(fleet, from_boot=from_boot, ahead=ahead, prefix=prefix, clock=clock)

    return make


def told(lines):
    return [(line.at, line.component, line.event) for line in lines]


def append(path, text):
    with path.open("a") as file:
        file.write(text)


def test_reader_leaves_out_what_was_there_before(made, log):
    found = made()
    found.read()
    assert (found.boot_lines, found.lines) == ([], [])


def test_reader_tells_a_boot_apart_from_what_came_after(made, log, clock):
    found = made(from_boot=True, prefix="c2.")
    append(log, "sailed\n")
    clock.now = 2.0
    found.read()
    assert told(found.boot_lines) == [(1.0, "c2.boat", "launched")]
    assert told(found.lines) == [(2.0, "c2.boat", "sailed")]
    assert found.story == [*found.boot_lines, *found.lines]


def test_boot_ahead_of_a_test_is_its_to_judge_and_no_part_of_its_story(made, log):
    found = made(from_boot=True, ahead=True)
    append(log, "sailed\n")
    found.read()
    assert [line.event for line in found.boot_lines] == ["launched"]
    assert [line.event for line in found.story] == ["sailed"]


def test_reader_reads_each_line_once(made, log):
    found = made()
    append(log, "sailed\n")
    found.read()
    append(log, "sank\n")
    found.read()
    assert [line.event for line in found.lines] == ["sailed", "sank"]


def test_lines_without_time_get_the_moment_at_which_they_were_seen(made, log, clock):
    found = made()
    for at, text in ((2.0, "sailed\n"), (3.0, ""), (4.0, "sank\n")):
        append(log, text)
        clock.now = at
        found.note_sizes()
    append(log, '{"time":"1970-01-01T00:00:04.500000+00:00","event":"cried"}\nlast\n')
    clock.now = 9.0
    found.read()
    assert told(found.lines) == [
        (2.0, "boat", "sailed"),
        (4.0, "boat", "sank"),
        (4.5, "boat", "cried"),
        (9.0, "boat", "last"),
    ]


def test_a_log_that_is_gone_is_no_trouble(made, log):
    found = made()
    log.unlink()
    found.note_sizes()
    found.read()
    assert found.lines == []


def test_sizes_are_bounded(made, log, clock, monkeypatch):
    monkeypatch.setattr(reader, "SIZES_MAX", 2)
    found = made()
    for at in range(2, 9):
        append(log, f"line {at}\n")
        clock.now = float(at)
        found.note_sizes()
    found.read()
    assert [line.at for line in found.lines] == [2.0, *[8.0] * 6]


@pytest.mark.parametrize(
    "line", ['{"level":"error","event":"lost"}', '{"levelno":40,"event":"lost"}']
)
def test_trouble_is_read_however_much_follows(made, log, monkeypatch, line):
    """No error hides behind many lines. Write one, and after it more than is read at once."""
    monkeypatch.setattr(logs, "READ_BYTES_MAX", 100)
    found = made()
    append(log, "calm\n" * 50 + f"{line}\n" + "calm\n" * 50 + "unfinished")
    found.read()
    assert [line.event for line in found.lines if line.level is Level.ERROR] == ["lost"]
    assert len(found.lines) < 30
    assert found.lines[-1].event == "unfinished"


def test_what_is_written_between_the_boot_and_the_use_is_read(tmp_path, log):
    """A component writes whenever it likes. Write a line at each look at the clock; all of them are read, once."""
    ticks: list[str] = []

    def tick():
        ticks.append(f"tick {len(ticks)}")
        append(log, f"{ticks[-1]}\n")
        return 1.0

    found = Reader(Fleet(tmp_path), from_boot=True, clock=tick)
    found.read()
    assert [line.event for line in found.story] == ["launched", *ticks]
