"""Ids are UUIDs of version 7 that sort by time; keys have their form."""

import uuid
from datetime import UTC, datetime, timedelta

from quarterdeck.base import ids


class Later:
    """A clock that moves by a millisecond with each look."""

    def __init__(self):
        self.time = datetime(2026, 1, 31, tzinfo=UTC)

    def now(self):
        self.time += timedelta(milliseconds=1)
        return self.time

    def monotonic(self):
        return 0.0


def test_ids_are_distinct_and_sort_by_time():
    clock = Later()
    made = [ids.new(clock) for _ in range(500)]
    assert made == sorted(set(made))
    assert all(ids.is_id(each) and uuid.UUID(each).version == 7 for each in made)
    assert all(uuid.UUID(each).variant == uuid.RFC_4122 for each in made)


def test_is_id_wants_the_canonical_form():
    good = str(uuid.UUID(int=7))
    assert ids.is_id(good)
    for bad in ("", "x", good.upper() + "A", f"{{{good}}}", good.replace("-", ""), good + "\n"):
        assert not ids.is_id(bad)


def test_keys_have_their_form():
    assert len({ids.access_key() for _ in range(100)}) == 100
    assert ids.access_key().startswith("QDAK")
    assert len(ids.access_key()) == 24
    assert len(ids.trace()) == 32
    assert len(ids.instance()) == 16
