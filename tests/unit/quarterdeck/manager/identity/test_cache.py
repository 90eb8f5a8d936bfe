"""Remembered principals: for a moment only, a bounded number, and none that an announcement made doubtful."""

from quarterdeck.manager.identity import cache
from quarterdeck.manager.identity.model import Principal
from quarterdeck.testing.fakes.clock import FakeClock
from quarterdeck.wire.users import Role

ADA = Principal("ada", Role.USER)


def filled(clock):
    made = cache.Cache(clock)
    made.keep("key", ADA, epoch=made.epoch)
    return made


def test_principal_is_remembered():
    assert filled(FakeClock()).get("key") is ADA


def test_memory_ends_by_itself():
    clock = FakeClock()
    made = filled(clock)
    clock.advance(cache.SECONDS_MAX + 0.1)
    assert made.get("key") is None


def test_announcement_empties_the_memory():
    made = filled(FakeClock())
    made.forget_all()
    assert made.get("key") is None


def test_answer_asked_for_before_an_announcement_is_not_kept():
    made = cache.Cache(FakeClock())
    epoch = made.epoch
    made.forget_all()
    made.keep("key", ADA, epoch=epoch)
    assert made.get("key") is None


def test_memory_is_bounded_and_keeps_what_is_used():
    made = filled(FakeClock())
    for number in range(cache.ENTRIES_MAX):
        made.keep(str(number), ADA, epoch=made.epoch)
        made.get("key")
    assert made.get("key") is ADA
    assert made.get("0") is None
