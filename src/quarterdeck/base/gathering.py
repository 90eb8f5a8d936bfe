"""Questions that come while another is being answered are asked together: one round trip for all of them."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Generic, TypeVar

_K = TypeVar("_K")
_V = TypeVar("_V")


class Gathering(Generic[_K, _V]):
    """Asks one question at a time. An answer is never older than its question."""

    def __init__(self, ask: Callable[[Iterable[_K]], Awaitable[Mapping[_K, _V]]]) -> None:
        self._ask = ask
        self._turn = asyncio.Lock()
        self._waiting: list[_Question[_K, _V]] = []

    async def get(self, key: _K) -> _V | None:
        """Return the answer for a key; None: there is none. Raises what asking does."""
        question: _Question[_K, _V] = _Question(key)
        self._waiting.append(question)
        async with self._turn:
            if question.error is None and not question.is_answered:
                await self._ask_for_all(question)
        if question.error is not None:
            raise question.error
        return question.answer

    async def _ask_for_all(self, own: "_Question[_K, _V]") -> None:
        """Ask for all who wait by now. Who is cancelled meanwhile leaves them to the next, who asks for itself."""
        waiting, self._waiting = self._waiting, []
        try:
            found = await self._ask({own.key, *(each.key for each in waiting)})
        except Exception as error:
            for each in waiting:
                each.error = error
            raise
        for each in (own, *waiting):
            each.answer, each.is_answered = found.get(each.key), True


class _Question(Generic[_K, _V]):
    def __init__(self, key: _K) -> None:
        self.key = key
        self.answer: _V | None = None
        self.is_answered = False
        self.error: Exception | None = None
