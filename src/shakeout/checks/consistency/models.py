"""The models that everybody needs: register, counter, set, queue, and with `locks` the locks. Pure.

Operations, with `-> result` where the client may be told something; who was told nothing leaves the result None, and
that fits whatever the thing holds. `True` is no 1, whichever was written.

register  read() -> value, None when it holds none; write(value), cas(old, new) -> whether `old` was there
counter   read() -> value, add(amount) -> new value
set       read() -> elements, contains(element) -> whether, add(element) -> whether it is new, remove(element) -> whether it was there
queue     enqueue(value), dequeue() -> value, None when it was empty
"""

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from shakeout.checks.consistency.locks import FencedLock, Lock
from shakeout.checks.consistency.model import (
    ANYTHING,
    ILLEGAL,
    Misfit,
    Model,
    State,
    Transition,
    exact,
    only_if,
)
from shakeout.history.operation import Operation, Outcome

Changed = Callable[[Any], State]


@dataclass(frozen=True)
class Register(Model):
    """Holds one value."""

    initial: State = None
    name = "register"

    def transition(self, operation: Operation) -> Transition:
        match operation.action, operation.arguments:
            case "read", ():
                result = exact(operation.result)
                return only_if(operation, lambda state: state == result)
            case "write", (value,):
                written = exact(value)
                return lambda _state: written
            case "cas", (old, new):
                return self._cas(operation, exact(old), exact(new))
            case _:
                raise Misfit(self.name, operation)

    def _cas(self, operation: Operation, old: State, new: State) -> Transition:
        if operation.result is False:
            return only_if(operation, lambda state: state != old)
        return lambda state: new if state == old else ILLEGAL

    def observes(self, operation: Operation) -> bool:
        return operation.action == "read" or operation.result is False

    def gives(self, operation: Operation) -> Iterable[Hashable]:
        return map(exact, operation.arguments[-1:])

    def needs(self, operation: Operation) -> Iterable[Hashable]:
        if operation.result is False and operation.action == "cas":
            return (ANYTHING,)
        demanded = self.demands(operation)
        return () if demanded is ILLEGAL else (demanded,)

    def demands(self, operation: Operation) -> State:
        match operation.action:
            case "read" if operation.outcome is Outcome.OK:
                return exact(operation.result)
            case "cas" if operation.result is not False:
                return exact(operation.arguments[0])
            case _:
                return ILLEGAL


@dataclass(frozen=True)
class Counter(Model):
    """Holds a number that grows."""

    initial: State = 0
    name = "counter"

    def transition(self, operation: Operation) -> Transition:
        match operation.action, operation.arguments:
            case "read", ():
                result = exact(operation.result)
                return only_if(operation, lambda state: result is None or state == result)
            case "add", (int() as amount,) if amount > 0 and not isinstance(amount, bool):
                return _told(operation, lambda state: state + amount)
            case _:
                raise Misfit(self.name, operation)

    def observes(self, operation: Operation) -> bool:
        return operation.action == "read"

    def gives(self, operation: Operation) -> Iterable[Hashable]:
        return ("more",) if operation.action == "add" else ()

    def needs(self, operation: Operation) -> Iterable[Hashable]:
        return () if operation.result is None else ("more",)

    def passed(self, state: Any, operation: Operation) -> bool:
        return isinstance(operation.result, int) and operation.result < _least(state, operation)


@dataclass(frozen=True)
class Set(Model):
    """Holds elements, each at most once."""

    initial: State = frozenset()
    name = "set"

    def transition(self, operation: Operation) -> Transition:
        match operation.action, operation.arguments:
            case "read", ():
                seen, untold = self.demands(operation), operation.result is None
                return only_if(operation, lambda state: untold or state == seen)
            case "contains", (element,):
                one, there = exact(element), operation.result
                return only_if(operation, lambda state: there is None or (one in state) is there)
            case "add", (element,):
                added = {exact(element)}
                return _if_told(operation, lambda state: state | added)
            case "remove", (element,):
                removed = {exact(element)}
                return _if_told(operation, lambda state: state - removed)
            case _:
                raise Misfit(self.name, operation)

    def observes(self, operation: Operation) -> bool:
        return operation.action in {"read", "contains"} or operation.result is False

    def gives(self, operation: Operation) -> Iterable[Hashable]:
        if operation.action == "add":
            return ((exact(operation.arguments[0]), True),)
        if operation.action == "remove":
            return (exact(operation.arguments[0]), False), "fewer"
        return ()

    def needs(self, operation: Operation) -> Iterable[Hashable]:
        result = operation.result
        if result is None:
            return ()
        if operation.action == "read":
            return *((each, True) for each in _elements(operation)), "fewer"
        there = not result if operation.action == "add" else result
        return ((exact(operation.arguments[0]), there),)

    def helps(self, maybe: Operation, other: Operation) -> bool:
        if other.action == "read" and maybe.action == "remove":
            return exact(maybe.arguments[0]) not in _elements(other)
        return True

    def demands(self, operation: Operation) -> State:
        if operation.action != "read" or operation.outcome is not Outcome.OK:
            return ILLEGAL
        if not isinstance(operation.result, tuple):
            return ILLEGAL
        elements = _elements(operation)
        seen = frozenset(elements)
        return seen if len(seen) == len(elements) else ILLEGAL

    def parts(self, operations: Sequence[Operation]) -> Sequence[tuple[str, Sequence[Operation]]]:
        """Each element is a thing of its own, unless somebody read them all at once."""
        if any(not one.arguments for one in operations):
            return [("", operations)]
        found: dict[Hashable, list[Operation]] = {}
        for one in operations:
            found.setdefault(exact(one.arguments[0]), []).append(one)
        return [(str(element), some) for element, some in found.items()]


@dataclass(frozen=True)
class Queue(Model):
    """First in, first out."""

    initial: State = ()
    name = "queue"

    def transition(self, operation: Operation) -> Transition:
        result = exact(operation.result)
        match operation.action, operation.arguments:
            case "enqueue", (value,):
                last = exact(value)
                return _from(lambda items: (*items, last))
            case "dequeue", () if operation.outcome is not Outcome.OK:
                return _from(lambda items: items[1:])
            case "dequeue", () if result is None:
                return only_if(operation, lambda items: items == ())
            case "dequeue", ():
                return _from(lambda items: items[1:] if items[:1] == (result,) else ILLEGAL)
            case _:
                raise Misfit(self.name, operation)

    def observes(self, operation: Operation) -> bool:
        return operation.action == "dequeue" and operation.result is None


MODELS: dict[str, Model] = {
    each.name: each for each in (Register(), Counter(), Lock(), FencedLock(), Set(), Queue())
}


def _told(operation: Operation, change: Changed) -> Transition:
    """Changes the state to what the client was told, if it was told."""
    result = exact(operation.result)
    if result is None:
        return change

    def changed(state: State) -> State:
        found = change(state)
        return found if found == result else ILLEGAL

    return changed


def _if_told(operation: Operation, change: Changed) -> Transition:
    """Changes a set; where the client was told whether it did, only if it does."""
    told = operation.result
    if told is None:
        return change

    def changed(state: Any) -> State:
        found = change(state)
        return found if (found != state) is told else ILLEGAL

    return changed


def _least(state: int, operation: Operation) -> int:
    """The least that the client of an operation could be told now."""
    return state + sum(each for each in operation.arguments if isinstance(each, int))


def _from(change: Changed) -> Transition:
    return change


def _elements(operation: Operation) -> Sequence[Hashable]:
    return tuple(map(exact, operation.result)) if isinstance(operation.result, tuple) else ()
