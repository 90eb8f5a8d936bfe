"""Many copies at once: each of a few hands takes the next one and works on it over connections of its own; results come in order."""

import threading
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, wait
from typing import Generic, TypeVar

from quarterdeck.client.transport import Transport

HANDS_MAX = 4
"""How many files are on their way at once: over a distance most of a small file's time is waiting."""

_LOOK_SECONDS = 0.1
_STOP_SECONDS_MAX = 5.0

Work = TypeVar("Work")
Result = TypeVar("Result")


class Hands(Generic[Work, Result]):
    """Threads with a transport each, that do the same with one work after the other."""

    def __init__(
        self,
        transport: Transport,
        works: Sequence[Work],
        do: Callable[[Transport, Work], Result],
    ) -> None:
        self._works = works
        self._do = do
        self._results: list[Future[Result]] = [Future() for _ in works]
        self._next = iter(range(len(works)))
        self._lock = threading.Lock()
        count = min(len(works), HANDS_MAX)
        self._transports = [transport.another() for _ in range(count)]

    def results(self, look: Callable[[], None]) -> Generator[Result, None, None]:
        """Do all, and give what came of it in the order of the works; `look` is called now and then while there is nothing to give.

        Whoever listens no more, because of an error or Ctrl-C, stops them: what is under way is broken off, the rest not begun.
        """
        threads = [
            threading.Thread(target=self._labour, args=(transport,), daemon=True)
            for transport in self._transports
        ]
        try:
            for thread in threads:
                thread.start()
            for result in self._results:
                while not wait([result], _LOOK_SECONDS).done:
                    look()
                yield result.result()
        finally:
            for transport in self._transports:
                transport.stop()
            for thread in threads:
                thread.join(_STOP_SECONDS_MAX)

    def _labour(self, transport: Transport) -> None:
        while not transport.is_stopped and (number := self._take()) is not None:
            result = self._results[number]
            try:
                result.set_result(self._do(transport, self._works[number]))
            except BaseException as error:  # noqa: BLE001 - whoever waits for the result raises it
                result.set_exception(error)

    def _take(self) -> int | None:
        with self._lock:
            return next(self._next, None)
