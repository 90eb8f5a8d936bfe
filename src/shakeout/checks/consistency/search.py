"""Finds an order in which operations can have happened one after the other, or shows that there is none. Pure.

The search of Wing, Gong and Lowe: take any operation that may come next, remember what was tried, go back when stuck.
docs/decisions/0036 says what was added and why it misses nothing. `linearizability` splits histories and tells the result.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from shakeout.checks.consistency.model import ILLEGAL, Model, State
from shakeout.checks.consistency.relations import Relations
from shakeout.history.operation import Operation, Outcome

WORK_MAX = 1_000_000
"""Transitions tried: a few seconds."""

COMPARED_PER_WORK = 8
"""Sets of operations compared in the time of one transition."""

Path: TypeAlias = "tuple[Path, Operation, State] | None"
"""What happened, last first, with the state after it."""
Move: TypeAlias = "tuple[int, State]"
"""Which operation to take next, and the state that it leads to."""


@dataclass
class Found:
    """What the search found out: `linearizable` is None when it gave up."""

    linearizable: bool | None
    path: Path
    """The order that was found."""
    work: int


@dataclass(slots=True)
class _Node:
    """A point in the search: what is done, and what is left to try."""

    done: int
    """Bits of the certain operations."""
    low: int
    """All certain operations below this are done."""
    used: int
    """Bits of the uncertain operations."""
    state: State
    path: Path
    moves: Iterator["_Node"] | None = None
    last: int = -1
    """The uncertain operation that led here, if one did."""
    base: State = None
    """The state before that."""


@dataclass
class _Seen:
    """What was tried already: with the same certain operations done and the same state, fewer used uncertain ones can do all that more can."""

    tried: dict[object, list[int]] = field(default_factory=dict)
    compared: int = 0

    def add(self, key: object, used: int) -> bool:
        """Whether it is new."""
        before = self.tried.setdefault(key, [])
        self.compared += len(before)
        if any(one & used == one for one in before):
            return False
        before.append(used)
        return True


class Search:
    """One search over the operations of one thing. Operations that failed did not happen and are left out by the caller."""

    def __init__(
        self, model: Model, operations: Sequence[Operation], work_max: int = WORK_MAX
    ) -> None:
        ordered = sorted(operations, key=lambda one: (one.began, one.number))
        self._certain = [one for one in ordered if one.outcome is Outcome.OK]
        self._maybe = [one for one in ordered if one.outcome is Outcome.UNKNOWN]
        self._model = model
        self._apply = [model.transition(one) for one in self._certain]
        self._apply_maybe = [model.transition(one) for one in self._maybe]
        self._looks = [model.observes(one) for one in self._certain]
        self._began = [one.began for one in self._certain]
        self._ended = [math.inf if one.ended is None else one.ended for one in self._certain]
        self._relations = Relations(model, self._certain, self._maybe)
        self._work_max = work_max
        self.work = 0

    def run(self) -> Found:
        """Search until found, shown impossible, or `work_max` transitions were tried."""
        seen = _Seen()
        stack = [_Node(0, 0, 0, self._model.initial, None)]
        while stack:
            if self.work + seen.compared // COMPARED_PER_WORK > self._work_max:
                return Found(None, None, self.work)
            node = stack[-1]
            if node.moves is None:
                window = self._settle(node)
                if not window:
                    return Found(True, node.path, self.work)  # noqa: FBT003 - a field, not a switch
                if self._passed(node, window) or not seen.add(_key(node), node.used):
                    stack.pop()
                    continue
                node.moves = self._moves(node, window)
            following = next(node.moves, None)
            if following is None:
                stack.pop()
            else:
                stack.append(following)
        return Found(False, None, self.work)  # noqa: FBT003 - a field, not a switch

    def _settle(self, node: _Node) -> list[int]:
        """Take every operation that only looks, and fits: to take it later would not be better.

        Returns the certain operations that may come next, the one that ended first in front; none when all are done.
        """
        while True:
            window = self._window(node)
            state = node.state
            fitting = [
                one for one in window if self._looks[one] and self._apply[one](state) == state
            ]
            self.work += len(window)
            if not fitting:
                return window
            for each in fitting:
                node.done |= 1 << each
                node.path = (node.path, self._certain[each], state)
            node.last = -1

    def _passed(self, node: _Node, window: list[int]) -> bool:
        return any(self._model.passed(node.state, self._certain[each]) for each in window)

    def _window(self, node: _Node) -> list[int]:
        done, low = node.done, node.low
        while done >> low & 1:
            low += 1
        node.low = low
        deadline = math.inf
        window = []
        for each in range(low, len(self._certain)):
            if self._began[each] > deadline:
                break
            if not done >> each & 1:
                window.append(each)
                deadline = min(deadline, self._ended[each])
        window.sort(key=self._ended.__getitem__)
        return window

    def _moves(self, node: _Node, window: list[int]) -> Iterator[_Node]:
        """Next nodes, promising ones first: the operation that is due, what makes it possible, anything else."""
        due = self._apply[window[0]]
        sure = [(each, self._try(node, each)) for each in self._one_of_a_kind(window)]
        sure = [(each, state) for each, state in sure if state is not ILLEGAL]
        maybe = self._maybe_moves(node, window) if self._maybe else []
        for promising in (True, False):
            for each, state in sure:
                if promising is (each == window[0] or due(state) is not ILLEGAL):
                    yield from self._take(node, each, state, window)
            for each, state in maybe:
                if promising is (due(state) is not ILLEGAL):
                    yield from self._use(node, each, state)

    def _one_of_a_kind(self, window: list[int]) -> list[int]:
        """Of operations that do the same the one that ended first: another one could change places with it."""
        kinds = self._relations.kinds
        return list({kinds[each]: each for each in reversed(window)}.values())[::-1]

    def _try(self, node: _Node, each: int) -> State:
        """The state after a certain operation; ILLEGAL also if it would come as well before the uncertain one that led here."""
        self.work += 1
        apply = self._apply[each]
        state = apply(node.state)
        if state is ILLEGAL or node.last < 0:
            return state
        before = apply(node.base)
        if before is ILLEGAL:
            return state
        if before == state or self._apply_maybe[node.last](before) == state:
            return ILLEGAL
        return state

    def _maybe_moves(self, node: _Node, window: list[int]) -> list[Move]:
        """Uncertain operations that have begun and that change something that somebody waits for."""
        found = []
        for each in self._wanted(node, window, self._ended[window[0]]):
            state = self._apply_maybe[each](node.state)
            if state is ILLEGAL or state == node.state:
                continue
            if node.last < 0 or self._in_order(node, each, state):
                found.append((each, state))
        return found

    def _wanted(self, node: _Node, window: list[int], deadline: float) -> list[int]:
        wanted: list[int] = []
        asked = 0
        waiting = [self._certain[each] for each in window]
        while waiting:
            helping = self._relations.helping(waiting.pop())
            self.work += len(helping)
            for each in helping:
                if asked >> each & 1:
                    continue
                asked |= 1 << each
                if self._free(node, each) and self._maybe[each].began <= deadline:
                    wanted.append(each)
                    waiting.append(self._maybe[each])
        return wanted

    def _free(self, node: _Node, each: int) -> bool:
        """Whether it is unused; of twins the first is used first."""
        twin = self._relations.twin_before[each]
        return not node.used >> each & 1 and (twin < 0 or bool(node.used >> twin & 1))

    def _in_order(self, node: _Node, each: int, state: State) -> bool:
        """Of two uncertain operations in a row: the first must matter to the second, or have the lower number."""
        before = self._apply_maybe[each](node.base)
        if before is ILLEGAL:
            return True
        if before == state:
            return False
        return each > node.last or self._apply_maybe[node.last](before) != state

    def _take(self, node: _Node, each: int, state: State, window: list[int]) -> Iterator[_Node]:
        """Take a certain operation; with it those that nobody needs and of which after it nothing can be seen."""
        done, path, between = node.done | 1 << each, node.path, node.state
        for one in window:
            after = self._vanishing(node, one, each, between)
            if after is not ILLEGAL and self._apply[each](after) == state:
                done, path, between = done | 1 << one, (path, self._certain[one], after), after
        path = (path, self._certain[each], state)
        if state == node.state or not self._relations.lost(node.state, done, node.used):
            yield _Node(done, node.low, node.used, state, path)

    def _vanishing(self, node: _Node, one: int, before: int, between: State) -> State:
        """The state after an operation that nobody needs."""
        if one == before or self._looks[one]:
            return ILLEGAL
        if not self._relations.unneeded(one, node.done, node.used):
            return ILLEGAL
        self.work += 1
        return self._apply[one](between)

    def _use(self, node: _Node, each: int, state: State) -> Iterator[_Node]:
        """Take an uncertain operation."""
        path = (node.path, self._maybe[each], state)
        used = node.used | 1 << each
        if state == node.state or not self._relations.lost(node.state, node.done, used):
            yield _Node(node.done, node.low, used, state, path, last=each, base=node.state)


def _key(node: _Node) -> object:
    """A node that an uncertain operation led to may go on in fewer ways: it is remembered apart."""
    if node.last < 0:
        return node.done, node.state
    return node.done, node.state, node.last, node.base
