"""The search finds what trying all orders finds, on many small random histories of every model."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shakeout.checks.consistency.locks import FencedLock, Lock
from shakeout.checks.consistency.model import ILLEGAL
from shakeout.checks.consistency.models import Counter, Queue, Register, Set
from shakeout.checks.consistency.search import Search
from shakeout.history.operation import Operation, Outcome

SMALL = st.integers(0, 2)
TOLD = st.sampled_from([None, True, False])
NOTHING = st.just(())
ANY = SMALL | st.booleans()
NUMBER = st.tuples(SMALL)
VALUE = st.tuples(ANY)
ELEMENTS = st.lists(ANY, max_size=3).map(tuple)
TWO = st.tuples(ANY, ANY)
AMOUNT = st.tuples(st.integers(1, 2))
CALLS = {
    Register(): [
        ("read", NOTHING, st.none() | ANY),
        ("write", VALUE, st.none()),
        ("cas", TWO, TOLD),
    ],
    Counter(): [
        ("read", NOTHING, st.none() | st.just(True) | st.integers(0, 5)),
        ("add", AMOUNT, st.none() | st.integers(1, 6)),
    ],
    Lock(): [("acquire", NOTHING, TOLD), ("release", NOTHING, st.none())],
    FencedLock(): [
        ("acquire", NOTHING, st.integers(1, 3) | st.just(False)),
        ("release", NOTHING, st.none()),
        ("use", NUMBER, st.booleans()),
    ],
    FencedLock(expires=True): [
        ("acquire", NOTHING, st.integers(1, 3)),
        ("release", NOTHING, st.none()),
        ("use", NUMBER, st.booleans()),
    ],
    Set(): [
        ("read", NOTHING, st.none() | ELEMENTS),
        ("add", VALUE, TOLD),
        ("remove", VALUE, TOLD),
        ("contains", VALUE, TOLD),
    ],
    Queue(): [("enqueue", VALUE, st.none()), ("dequeue", NOTHING, st.none() | ANY)],
}


@st.composite
def operations(draw, calls):
    """Up to seven operations by three clients, in any overlap, one in three without an end."""
    found = []
    for number in range(draw(st.integers(1, 7))):
        action, arguments, results = draw(st.sampled_from(calls))
        began, known = draw(st.integers(0, 12)), draw(st.integers(0, 2)) > 0
        found.append(
            Operation(
                number,
                draw(st.sampled_from("ABC")),
                action,
                "x",
                draw(arguments),
                began,
                began + draw(st.integers(0, 6)) if known else None,
                Outcome.OK if known else Outcome.UNKNOWN,
                draw(results) if known else None,
            )
        )
    return found


def possible(model, history):
    """Whether some order of all certain and some uncertain operations is legal: by trying all."""

    def finish(left, state):
        ends = [one.ended for one in left if one.outcome is Outcome.OK]
        if not ends:
            return True
        return any(
            (after := model.transition(one)(state)) is not ILLEGAL
            and finish([other for other in left if other is not one], after)
            for one in left
            if one.began <= min(ends)
        )

    return finish(history, model.initial)


@pytest.mark.parametrize("model", CALLS, ids=repr)
def test_the_search_agrees_with_trying_all_orders(model):
    verdicts = set()

    @settings(max_examples=80, deadline=None)
    @given(operations(CALLS[model]))
    def agrees(history):
        expected = possible(model, history)
        verdicts.add(expected)
        assert Search(model, history).run().linearizable is expected

    agrees()
    assert verdicts == {True, False}, "only one kind of history was tried"
