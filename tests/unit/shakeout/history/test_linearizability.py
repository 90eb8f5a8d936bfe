"""What the checker says: explanations of few lines, things judged apart, and no endless search."""

import random

import pytest

from shakeout.checks.consistency.linearizability import Linearizable, linearization
from shakeout.checks.consistency.locks import FencedLock
from shakeout.checks.consistency.model import ILLEGAL, Misfit, Model
from shakeout.checks.consistency.models import Counter, Queue, Register, Set
from shakeout.checks.consistency.verdict import Validity
from shakeout.history.operation import History, Operation, Outcome


def ok(action, *arguments, at, result=None, process="A", key="x"):
    began, ended = at
    return Operation(began, process, action, key, arguments, began, ended, Outcome.OK, result)


def unknown(action, *arguments, at, process="B", key="x"):
    return Operation(at, process, action, key, arguments, at)


def failed(action, *arguments, at, process="B", key="x"):
    began, ended = at
    return Operation(began, process, action, key, arguments, began, ended, Outcome.FAIL)


def history(*operations):
    return History(tuple(sorted(operations, key=lambda one: one.began)))


STALE = history(
    ok("write", 1, at=(0, 1)),
    ok("write", 2, at=(2, 3)),
    ok("read", at=(4, 7), result=1, process="C"),
    ok("write", 3, at=(5, 9), process="D"),
    ok("read", at=(10, 11), result=3, process="C"),
)


def test_an_invalid_history_is_explained_in_at_most_ten_lines():
    verdict = Linearizable(Register())(STALE)
    assert verdict.validity is Validity.INVALID
    assert verdict.culprits == (4,)
    assert verdict.explanation.splitlines() == [
        "x: no register does this. What had ended before can have happened in the order of",
        "  #0 A: write(x, 1) -> ok = 1",
        "  #2 A: write(x, 2) -> ok = 2",
        "but in no order can this one have happened, too:",
        "  #4 C: read(x) -> 1",
        "also not with what had begun and not ended: #5 D: write(x, 3) -> ok",
    ]


def test_the_explanation_of_a_long_history_stays_short():
    writes = [ok("write", number, at=(10 * number, 10 * number + 5)) for number in range(50)]
    crowd = [ok("write", 7, at=(1000, 1100 + n), process=f"P{n}") for n in range(20)]
    verdict = Linearizable(Register())(
        history(*writes, *crowd, ok("read", at=(1001, 1050), result=99, process="R"))
    )
    assert verdict.invalid
    assert len(verdict.explanation.splitlines()) <= 10
    assert "and 17 more" in verdict.explanation


def test_a_failed_operation_did_not_happen():
    seen = ok("read", at=(4, 5), result=2)
    assert Linearizable(Register())(history(ok("write", 2, at=(0, 1)), seen)).valid
    assert Linearizable(Register())(history(failed("write", 2, at=(0, 1)), seen)).invalid


def test_keys_are_things_of_their_own():
    crossed = history(
        ok("write", 1, at=(0, 1), key="x"),
        ok("write", 2, at=(2, 3), key="y"),
        ok("read", at=(4, 5), result=1, key="x"),
        ok("read", at=(6, 7), result=1, key="y"),
    )
    verdict = Linearizable(Register())(crossed)
    assert verdict.culprits == (6,)
    assert verdict.explanation.startswith("y: ")


def test_two_broken_things_are_both_told():
    both = history(
        ok("read", at=(0, 1), result=1, key="x"), ok("read", at=(2, 3), result=1, key="y")
    )
    verdict = Linearizable(Register())(both)
    assert [part.check for part in verdict.parts] == ["x", "y"]
    assert verdict.culprits == (0, 2)


def test_elements_of_a_set_that_nobody_reads_at_once_are_judged_apart():
    adds = [ok("add", n, at=(0, 9), process=str(n)) for n in range(30)]
    seen = [ok("contains", n, at=(10, 11), result=n != 7) for n in range(30)]
    verdict = Linearizable(Set())(history(*adds, *seen))
    assert verdict.invalid
    assert verdict.explanation.startswith("x 7: ")


def test_only_the_named_actions_are_judged():
    mixed = history(ok("write", 1, at=(0, 1)), ok("sing", at=(2, 3)))
    assert Linearizable(Register(), frozenset({"write", "read"}))(mixed).valid
    with pytest.raises(Misfit, match=r"a register knows no sing\(x\)"):
        Linearizable(Register())(mixed)


def test_an_order_that_was_found_can_be_had():
    found = linearization(
        Register(), history(unknown("write", 5, at=0), ok("read", at=(1, 2), result=5))
    )
    assert found is not None
    assert [one.action for one in found] == ["write", "read"]
    assert linearization(Register(), history(ok("read", at=(0, 1), result=5))) is None


class Maze(Model):
    """Every order leads somewhere else, and none to the end: nothing helps but to try them all."""

    name = "maze"

    def transition(self, operation):
        if operation.action == "leave":
            return lambda _state: ILLEGAL
        return lambda state: (state, operation.number)


def test_a_search_that_takes_too_long_ends_as_unknown():
    steps = [ok("step", n, at=(n, 1000), process=str(n)) for n in range(12)]
    leave = ok("leave", at=(2000, 2001))
    verdict = Linearizable(Maze(), work_max=5_000)(history(*steps, leave))
    assert verdict.validity is Validity.UNKNOWN
    assert "gave up on x" in verdict.explanation


def simulated(rng, model, draw, operations):
    """What ten clients are told by a thing that works, one operation in twenty without an answer."""
    free, state, found = [rng.random() for _ in range(10)], model.initial, []
    planned = []
    for number in range(operations):
        client = min(range(10), key=free.__getitem__)
        began = free[client]
        ended = began + rng.expovariate(1) + 0.01
        free[client] = ended + 0.1 * rng.random()
        planned.append((rng.uniform(began, ended), number, client, began, ended, *draw(rng)))
    for _, number, client, began, ended, action, arguments in sorted(planned):
        lost = rng.random() < 0.05
        if lost and rng.random() < 0.5:
            result = None
        elif action == "read":
            result = state
        else:
            state = arguments[0] if action == "write" else state + arguments[0]
            result = None
        found.append(
            Operation(
                number,
                f"{client}-{number}" if lost else str(client),
                action,
                "x",
                arguments,
                int(began * 1e6),
                None if lost else int(ended * 1e6),
                Outcome.UNKNOWN if lost else Outcome.OK,
                None if lost else result,
            )
        )
    return history(*found)


def register_call(rng):
    return ("read", ()) if rng.random() < 0.5 else ("write", (rng.randrange(10_000),))


def counter_call(rng):
    return ("read", ()) if rng.random() < 0.5 else ("add", (1,))


@pytest.mark.parametrize(
    ("model", "draw"),
    [(Register(), register_call), (Counter(), counter_call)],
    ids=["register", "counter"],
)
@pytest.mark.parametrize("seed", range(3))
def test_a_thousand_operations_of_ten_clients_are_little_work(model, draw, seed):
    """Work, not time, is bounded: half a million transitions are about a second."""
    recorded = simulated(random.Random(seed), model, draw, 1000)
    assert Linearizable(model, work_max=100_000)(recorded).valid


@pytest.mark.parametrize("seed", range(3))
def test_a_wrong_read_among_a_thousand_operations_is_found_with_little_work(seed):
    recorded = simulated(random.Random(seed), Register(), register_call, 1000)
    *before, last = recorded.operations
    wrong = ok("read", at=(last.began + 10**9, last.began + 10**9 + 1), result=-1)
    verdict = Linearizable(Register(), work_max=100_000)(history(*before, last, wrong))
    assert verdict.culprits == (wrong.number,)


@pytest.mark.parametrize(
    ("model", "operations"),
    [
        (Register(), [ok("write", 1, at=(0, 1)), ok("read", at=(2, 3), result=True)]),
        (Register(), [ok("write", True, at=(0, 1)), ok("read", at=(2, 3), result=1)]),
        (Register(), [ok("write", (0,), at=(0, 1)), ok("read", at=(2, 3), result=(False,))]),
        (Register(), [ok("write", 1, at=(0, 1)), ok("cas", True, 2, at=(2, 3), result=True)]),
        (Counter(), [ok("add", 1, at=(0, 1)), ok("read", at=(2, 3), result=True)]),
        (Counter(), [ok("add", 1, at=(0, 1), result=True)]),
        (Set(), [ok("add", 1, at=(0, 1)), ok("contains", True, at=(2, 3), result=True)]),
        (Set(), [ok("add", 1, at=(0, 1)), ok("read", at=(2, 3), result=(True,))]),
        (Queue(), [ok("enqueue", 1, at=(0, 1)), ok("dequeue", at=(2, 3), result=True)]),
    ],
)
def test_true_is_no_one(model, operations):
    """As in Jepsen, and unlike in Python. Write one and be told the other."""
    assert Linearizable(model)(history(*operations)).invalid


def test_true_and_one_are_different_elements():
    both = ok("read", at=(4, 5), result=(1, True))
    added = ok("add", 1, at=(0, 1)), ok("add", True, at=(2, 3), result=True)
    assert Linearizable(Set())(history(*added, both)).valid


def test_true_and_one_do_not_stand_in_for_each_other():
    """Two writes at once and a read of either are one order: `write(1)` is no twin of `write(True)`."""
    writes = ok("write", 1, at=(0, 9)), ok("write", True, at=(1, 9), process="B")
    reads = ok("read", at=(10, 11), result=1), ok("read", at=(12, 13), result=1)
    assert Linearizable(Register())(history(*writes, *reads)).valid
    assert Linearizable(Register())(history(*writes, ok("read", at=(10, 11), result=True))).valid


def test_numbers_are_as_in_json():
    assert Linearizable(Register())(
        history(ok("write", 1, at=(0, 1)), ok("read", at=(2, 3), result=1.0))
    ).valid
    assert Linearizable(Set())(
        history(ok("add", 1, at=(0, 1)), ok("contains", 1.0, at=(2, 3), result=True))
    ).valid


def test_truth_is_no_amount_and_no_token():
    with pytest.raises(Misfit):
        Linearizable(Counter())(history(ok("add", True, at=(0, 1))))
    with pytest.raises(Misfit):
        Linearizable(FencedLock())(history(ok("use", True, at=(0, 1), result=True)))


@pytest.mark.parametrize(
    ("model", "action", "arguments"),
    [(Counter(), "read", ()), (Set(), "read", ()), (Set(), "contains", (1,))],
)
def test_who_was_told_nothing_is_told_nothing_wrong(model, action, arguments):
    """As in Jepsen. Change a thing, and look at it without an answer."""
    looked = ok(action, *arguments, at=(2, 3))
    assert Linearizable(model)(history(ok("add", 1, at=(0, 1)), looked)).valid


def test_a_set_that_reads_as_no_set_is_none():
    assert Linearizable(Set())(history(ok("read", at=(0, 1), result=0))).invalid
