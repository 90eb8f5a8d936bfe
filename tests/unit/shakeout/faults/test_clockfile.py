"""The file by which a clock is shifted: what Shakeout writes, a component reads; what the component notes, Shakeout reads."""

import time

import pytest

from shakeout.system import clockfile
from shakeout.system.clockfile import Shift, ShiftedTime

NOW = time.time  # noqa: TID251 - the machine's clock is what is shifted


@pytest.fixture
def file(tmp_path):
    clockfile.make(tmp_path / "clock")
    return tmp_path / "clock"


@pytest.mark.parametrize(
    ("shift", "told"),
    [
        (Shift(), 1000.0),
        (Shift(offset=-60), 940.0),
        (Shift(rate=2, since=990), 1010.0),
        (Shift(offset=5, rate=0.5, since=980), 995.0),
    ],
)
def test_shift_is_offset_and_rate(shift, told):
    assert shift.of(1000.0) == told


def test_reader_follows_the_file_and_notes_what_it_told(file):
    tell = ShiftedTime(str(file))
    assert tell() == pytest.approx(NOW(), abs=60)
    clockfile.write(file, Shift(offset=7200))
    assert tell() == pytest.approx(NOW() + 7200, abs=60)
    reading = clockfile.read(file)
    assert reading.told - reading.real == pytest.approx(7200)
    clockfile.write(file, Shift(rate=3, since=NOW() - 600))
    assert tell() == pytest.approx(NOW() + 1200, abs=60)


def test_file_of_an_earlier_start_is_kept(file):
    clockfile.write(file, Shift(offset=7200))
    clockfile.make(file)
    assert ShiftedTime(str(file))() == pytest.approx(NOW() + 7200, abs=60)
