"""Slots and cores given out and given back."""

import pytest

from quarterdeck.agent.errors import InsufficientCapacity
from quarterdeck.agent.resources.ledger import Ledger
from quarterdeck.wire.sessions import Slots


def test_no_more_is_given_than_there_is():
    ledger = Ledger(Slots(3, 1000), (0, 1))
    ledger.take("a", Slots(2, 600))
    with pytest.raises(InsufficientCapacity) as refusal:
        ledger.take("b", Slots(2, 100))
    assert (refusal.value.field, refusal.value.detail) == ("slots.cpu", "2 wanted, 1 free")
    with pytest.raises(InsufficientCapacity) as refusal:
        ledger.take("b", Slots(1, 500))
    assert refusal.value.field == "slots.memory_mib"
    ledger.take("b", Slots(1, 400))


def test_what_is_given_back_can_be_given_again():
    ledger = Ledger(Slots(1, 100), (0,))
    ledger.take("a", Slots(1, 100))
    ledger.give_back("a")
    ledger.give_back("a")
    assert ledger.take("b", Slots(1, 100)).slots == Slots(1, 100)


def test_kernels_get_the_cores_that_fewest_use():
    ledger = Ledger(Slots(8, 1000), (4, 5, 6))
    assert ledger.take("a", Slots(1, 1)).cores == (4,)
    assert ledger.take("b", Slots(2, 1)).cores == (5, 6)
    assert ledger.take("c", Slots(1, 1)).cores == (4,)
    ledger.give_back("b")
    assert ledger.take("d", Slots(1, 1)).cores == (5,)


def test_more_slots_than_cores_means_all_cores():
    assert Ledger(Slots(8, 1000), (0, 1)).take("a", Slots(4, 1)).cores == (0, 1)
