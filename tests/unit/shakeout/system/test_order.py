"""Layers of a dependency graph, and cycles in it."""

import pytest
from hypothesis import given
from hypothesis import strategies as some

from shakeout.system import order
from shakeout.system.errors import OrderHasCycle


def graph(**needs):
    return {name: frozenset(found.split()) for name, found in needs.items()}


def test_independent_members_are_one_layer():
    assert order.layers(graph(a="", b="", c="")) == (("a", "b", "c"),)


def test_a_layer_needs_only_earlier_ones():
    assert order.layers(graph(app="db bus", db="", bus="db")) == (("db",), ("bus",), ("app",))


@pytest.mark.parametrize(
    ("needs", "told"),
    [
        ({"a": "a"}, "a -> a"),
        ({"a": "b", "b": "a"}, "a -> b -> a"),
        ({"db": "", "a": "db b", "b": "c", "c": "b"}, "b -> c -> b"),
    ],
)
def test_a_cycle_is_told_member_by_member(needs, told):
    with pytest.raises(OrderHasCycle, match=f"nothing can start first: {told}"):
        order.layers(graph(**needs))


@given(some.lists(some.integers(0, 30), max_size=30))
def test_every_member_comes_after_its_needs(parents):
    needs = {str(n): frozenset({str(p)} if p < n else ()) for n, p in enumerate(parents)}
    place = {name: n for n, layer in enumerate(order.layers(needs)) for name in layer}
    assert place.keys() == needs.keys()
    assert all(place[one] < place[name] for name, first in needs.items() for one in first)
