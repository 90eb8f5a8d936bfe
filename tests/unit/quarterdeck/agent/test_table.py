"""The kernels that an agent knows: bounded, and destroyed ids remembered for a while."""

import pytest

from quarterdeck.agent import model
from quarterdeck.agent.errors import InsufficientCapacity
from quarterdeck.agent.inventory import table
from quarterdeck.agent.inventory.table import Entry, Table
from quarterdeck.wire.agents import KernelCreate
from quarterdeck.wire.sessions import Slots

REQUEST = KernelCreate(session="s", image=model.IMAGE, slots=Slots(1, 64))


def test_entries_are_bounded(monkeypatch):
    monkeypatch.setattr(table, "ENTRIES_MAX", 1)
    known = Table()
    first = Entry("a", REQUEST)
    known.add(first)
    with pytest.raises(InsufficientCapacity):
        known.add(Entry("b", REQUEST))
    known.drop(first)
    known.add(Entry("b", REQUEST))


def test_destroyed_ids_are_bounded_and_the_oldest_is_forgotten(monkeypatch):
    monkeypatch.setattr(table, "DESTROYED_IDS_MAX", 2)
    known = Table()
    for id_ in ("a", "b", "b", "c"):
        known.note_destroyed(id_)
    assert [known.was_destroyed(id_) for id_ in "abc"] == [False, True, True]


def test_dropping_an_older_entry_leaves_a_newer_one():
    known = Table()
    older, newer = Entry("a", REQUEST), Entry("a", REQUEST)
    known.add(newer)
    known.drop(older)
    assert known.get("a") is newer
