"""What an agent writes down for its next life, on a real disk: whole or not at all, and nothing that is damaged stops anybody."""

import os
from typing import Any

import pytest

from quarterdeck.agent.inventory import records
from quarterdeck.agent.inventory.records import Records
from quarterdeck.agent.remembered import Ended, Record, Remembered
from quarterdeck.base import ids
from quarterdeck.base.clock import SystemClock
from quarterdeck.wire.agents import KernelCreate, KernelMount
from quarterdeck.wire.sessions import Slots
from quarterdeck.wire.states import KernelStatus


def record(**changes: Any) -> Record:
    plain: dict[str, Any] = {
        "id": ids.new(SystemClock()),
        "request": KernelCreate(
            session=ids.new(SystemClock()),
            image="python:3.11",
            slots=Slots(1, 64),
            mounts=(KernelMount("/a", "b"),),
            environment={"A": "b"},
        ),
        "status": KernelStatus.RUNNING,
        "cores": (0, 1),
        "pid": 7,
    }
    return Record(**(plain | changes))


@pytest.fixture
def place(tmp_path):
    (tmp_path / "state").mkdir()
    return tmp_path / "state"


def test_what_was_written_last_is_read(place):
    first, second = record(), record()
    written = Records(place)
    for one in (first, second):
        written.save(one)
    ended = record(id=first.id, status=KernelStatus.TERMINATED, ended=Ended(signal=9))
    written.save(ended)
    written.drop(second.id)
    written.drop(second.id)
    assert Records(place).load().records == (ended,)
    assert Records(place).load().damage == ()


def test_destroyed_ids_are_remembered_in_order_as_many_as_are_needed(place, monkeypatch):
    monkeypatch.setattr(records, "_IDS_MAX", 3)
    written = Records(place)
    noted = [ids.new(SystemClock()) for _ in range(10)]
    for id_ in noted:
        written.note_destroyed(id_)
    assert Records(place).load().destroyed == tuple(noted[-3:])
    assert (place / "destroyed").stat().st_size == 3 * 37


@pytest.mark.parametrize("junk", [b"", b"{", b"\xff\xfe", b"{}", b"[" * 100_000, None])
def test_a_damaged_record_is_told_and_gone_and_the_others_are_there(place, junk):
    good, bad = record(), record()
    Records(place).save(good)
    Records(place).save(bad)
    path = place / f"{bad.id}.json"
    path.write_bytes((place / f"{good.id}.json").read_bytes() if junk is None else junk)
    found = Records(place).load()
    assert found.records == (good,)
    assert bad.id in found.damage[0]
    assert not path.exists()


def test_half_a_line_of_the_destroyed_is_told_and_the_rest_is_read(place):
    whole = ids.new(SystemClock())
    Records(place).note_destroyed(whole)
    with (place / "destroyed").open("ab") as file:
        file.write(b"1234")
    found = Records(place).load()
    assert (found.destroyed, len(found.damage)) == ((whole,), 1)
    Records(place).note_destroyed(whole)
    assert Records(place).load().destroyed == (whole, whole)


def test_what_lay_half_written_is_no_record(place):
    (place / f"{ids.new(SystemClock())}.new").write_bytes(b"{")
    assert Records(place).load().records == ()


def test_a_directory_that_is_gone_is_told_and_made_again_by_the_next_write(place):
    place.rmdir()
    assert len(Records(place).load().damage) == 1
    Records(place).save(record())
    assert len(Records(place).load().records) == 1


def test_files_of_kernels_that_are_gone_are_used_again(place):
    """To make a file is dear. Write, drop and write others, longer and shorter; no file is made anew, and each is read as it was written."""
    written = Records(place)
    first = record(cores=tuple(range(64)))
    written.save(first)
    number = (place / f"{first.id}.json").stat().st_ino
    written.drop(first.id)
    second = record()
    written.save(second)
    ended = record(id=second.id, status=KernelStatus.TERMINATED, ended=Ended(reason="x" * 500))
    written.save(ended)
    written.save(second)
    assert (place / f"{second.id}.json").stat().st_ino == number
    assert Records(place).load() == Remembered(records=(second,))


def test_a_record_that_is_more_than_a_page_is_never_written_over(place):
    """The end of the process may cut a long write. Grow a record over a page, write it again, shorten it; what was there stays whole in its old file."""
    written = Records(place)
    one = record()
    written.save(one)
    path = place / f"{one.id}.json"
    for reason in ("x" * 9000, "y" * 9000, "z"):
        with path.open("rb") as before:
            whole = before.read()
            written.save(record(id=one.id, ended=Ended(reason=reason)))
            assert os.pread(before.fileno(), len(whole), 0) == whole
    assert Records(place).load().records[0].ended == Ended(reason="z")
