"""Models of locks: a lock, and one whose holders are told apart by growing tokens. Pure.

lock      acquire() -> whether it was free, release()
fenced    acquire() -> token, release(), use(token) -> whether the resource accepted it
"""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Any

from shakeout.checks.consistency.model import (
    ILLEGAL,
    Misfit,
    Model,
    State,
    Transition,
    exact,
    only_if,
)
from shakeout.history.operation import Operation, Outcome


@dataclass(frozen=True)
class Lock(Model):
    """Is held by one client at a time, who gives it back."""

    name = "lock"

    def transition(self, operation: Operation) -> Transition:
        owner = operation.process
        match operation.action, operation.arguments:
            case "acquire", () if operation.result is False:
                return only_if(operation, lambda holder: holder is not None)
            case "acquire", ():
                return lambda holder: owner if holder is None else ILLEGAL
            case "release", ():
                return lambda holder: None if holder == owner else ILLEGAL
            case _:
                raise Misfit(self.name, operation)

    def observes(self, operation: Operation) -> bool:
        return operation.result is False

    def twin(self, operation: Operation) -> Hashable:
        return operation.action, operation.process

    def gives(self, operation: Operation) -> Iterable[Hashable]:
        if operation.result is False:
            return ()
        return ("free",) if operation.action == "release" else ("held", operation.process)

    def needs(self, operation: Operation) -> Iterable[Hashable]:
        if operation.action == "release":
            return (operation.process,)
        return ("held",) if operation.result is False else ("free",)


@dataclass(frozen=True)
class FencedLock(Model):
    """A lock that gives out growing tokens, and a resource that accepts no token older than one it has seen."""

    expires: bool = False
    """Whether a holder may lose it without a word, as with a lease: then the tokens alone protect."""
    initial: State = (None, 0, 0)
    """Holder, greatest token given, greatest token used."""
    name = "fenced"

    def transition(self, operation: Operation) -> Transition:
        owner, known = operation.process, operation.outcome is Outcome.OK
        match operation.action, operation.arguments:
            case "acquire", () if operation.result is False:
                return only_if(operation, lambda state: _fence(state)[0] is not None)
            case "acquire", ():
                return self._acquire(owner, _token(operation.result) if known else None)
            case "release", ():
                return self._release(owner)
            case "use", (bool(),):
                raise Misfit(self.name, operation)
            case "use", (int() as token,) if operation.result is False:
                return lambda state: state if token < _fence(state)[2] else ILLEGAL
            case "use", (int() as token,):
                return lambda state: _used(_fence(state), token)
            case _:
                raise Misfit(self.name, operation)

    def observes(self, operation: Operation) -> bool:
        return operation.result is False

    def twin(self, operation: Operation) -> Hashable:
        return operation.action, exact(operation.arguments), operation.process

    def _acquire(self, owner: str, token: int | None) -> Transition:
        def acquire(state: State) -> State:
            holder, given, used = _fence(state)
            free = holder is None or self.expires
            if not free or (token is not None and token <= given):
                return ILLEGAL
            return owner, given if token is None else token, used

        return acquire

    def _release(self, owner: str) -> Transition:
        def release(state: State) -> State:
            holder, given, used = _fence(state)
            if holder == owner:
                return None, given, used
            return state if self.expires else ILLEGAL

        return release


def _token(result: object) -> int | None:
    """The token that the client was told, if it was told one."""
    return result if isinstance(result, int) and not isinstance(result, bool) else None


def _fence(state: Any) -> tuple[str | None, int, int]:
    holder, given, used = state
    return holder, given, used


def _used(state: tuple[str | None, int, int], token: int) -> State:
    holder, given, used = state
    return (holder, given, token) if token >= used else ILLEGAL
