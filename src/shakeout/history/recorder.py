"""Records operations while tests make them: when each began and ended, and what its client was told.

    with recorder.operation("write", "x", 1, process="client-1") as operation:
        operation.result = await client.write("x", 1)

Works with `operation` for what is recorded and with `shakeout.timeline.record`, where each operation is a span.
"""

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from shakeout.history import errors
from shakeout.history.operation import History, Operation, Outcome, Value, frozen
from shakeout.timeline import record

OPERATIONS_MAX = 100_000

Outcomes = Mapping[type[BaseException], Outcome]
"""Which errors mean that an operation did not happen, and which leave that open; the nearest class counts."""


@dataclass
class Attempt:
    """An operation under way."""

    number: int
    result: object = None
    """What the client was told; set it before the block ends."""
    failed: str = ""
    """Why the operation did not happen, where that is told without an error."""


class Recorder:
    """The history in the making. For one event loop, not for threads."""

    def __init__(
        self,
        outcomes: Outcomes | None = None,
        *,
        clock: Callable[[], int] = time.monotonic_ns,
        operations_max: int = OPERATIONS_MAX,
    ) -> None:
        """`clock` counts nanoseconds and never goes back."""
        self.outcomes = outcomes or {}
        self._clock = clock
        self._operations_max = operations_max
        self._operations: list[Operation] = []

    def __len__(self) -> int:
        return len(self._operations)

    def history(self, **about: object) -> History:
        """What has been recorded so far; operations under way are unknown."""
        return History(
            tuple(self._operations), {name: frozen(each) for name, each in about.items()}
        )

    @contextlib.contextmanager
    def operation(
        self, action: str, key: str = "", *arguments: object, process: str = "test"
    ) -> Iterator[Attempt]:
        """Record what happens inside as one operation. Errors pass through.

        An error that the table does not list leaves the outcome unknown, as does a cancellation. Raises HistoryFull.
        """
        attempt = Attempt(self._begin(action, key, arguments, process))
        with record.span("operation", action, key=key, process=process) as fields:
            try:
                yield attempt
            except BaseException as error:
                outcome = outcome_of(error, self.outcomes)
                self._end(attempt, outcome, None, f"{type(error).__name__}: {error}")
                raise
            else:
                outcome = Outcome.FAIL if attempt.failed else Outcome.OK
                self._end(attempt, outcome, frozen(attempt.result), attempt.failed)
            finally:
                ended = self._operations[attempt.number]
                fields |= {"text": str(ended), "outcome": ended.outcome.value}

    def _begin(self, action: str, key: str, arguments: tuple[object, ...], process: str) -> int:
        number = len(self._operations)
        if number >= self._operations_max:
            raise errors.HistoryFull(self._operations_max)
        given = tuple(frozen(each) for each in arguments)
        self._operations.append(Operation(number, process, action, key, given, self._clock()))
        return number

    def _end(self, attempt: Attempt, outcome: Outcome, result: Value, error: str) -> None:
        begun = self._operations[attempt.number]
        self._operations[attempt.number] = Operation(
            begun.number,
            begun.process,
            begun.action,
            begun.key,
            begun.arguments,
            begun.began,
            None if outcome is Outcome.UNKNOWN else self._clock(),
            outcome,
            result,
            error,
        )


def outcome_of(error: BaseException, outcomes: Outcomes) -> Outcome:
    """What an error says about the operation that raised it: unknown unless the table says otherwise."""
    return next(
        (outcomes[kind] for kind in type(error).__mro__ if kind in outcomes), Outcome.UNKNOWN
    )
