"""The clock that a harness shifts: it follows its file while the process runs, and notes what it told."""

import struct
import time

import pytest

from quarterdeck.base import clock

NOW = time.time  # noqa: TID251 - the machine's clock is what is shifted
DOUBLES = struct.Struct("=5d")


class Shift:
    """Writes the file of `path`."""

    def __init__(self, path):
        self.path = path
        self.path.touch()

    def __call__(self, offset=0.0, rate=1.0, since=0.0):
        with self.path.open("r+b") as file:
            file.write(DOUBLES.pack(offset, rate, since, 0.0, 0.0))


@pytest.fixture
def shift(tmp_path):
    return Shift(tmp_path / "clock")


def test_clock_follows_its_file(shift):
    shift()
    shifted = clock.opened(str(shift.path))
    assert shifted.now().timestamp() == pytest.approx(NOW(), abs=60)
    shift(offset=-7200)
    assert shifted.now().timestamp() == pytest.approx(NOW() - 7200, abs=60)
    shift(rate=3, since=NOW() - 600)
    assert shifted.now().timestamp() == pytest.approx(NOW() + 1200, abs=60)


def test_clock_notes_what_it_told(shift):
    shift(offset=7200)
    told = clock.opened(str(shift.path)).now().timestamp()
    *_, real, noted = DOUBLES.unpack(shift.path.read_bytes())
    assert noted == pytest.approx(told)
    assert noted - real == pytest.approx(7200)


def test_monotonic_time_is_not_shifted(shift):
    shift(offset=7200)
    assert clock.opened(str(shift.path)).monotonic() == pytest.approx(time.monotonic(), abs=60)


def test_clock_without_a_harness_is_the_machines():
    assert type(clock.opened("")) is clock.SystemClock


def test_missing_file_is_no_clock(tmp_path):
    with pytest.raises(FileNotFoundError):
        clock.opened(str(tmp_path / "none"))
