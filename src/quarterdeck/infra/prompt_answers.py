"""Small requests for what is at hand, answered as they come in. For `http_server`; the connection is that of `plain_requests`."""

import asyncio
import functools
import logging
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol, TypeVar

from aiohttp import web
from aiohttp.http import RawRequestMessage

from quarterdeck.infra import http_problems, plain_requests
from quarterdeck.infra.answers import Answer

_METHODS = frozenset({"GET", "PUT"})
_A = TypeVar("_A")
_B = TypeVar("_B")
_log = logging.getLogger(__name__)


class Asked(NamedTuple):
    """A request that is there as a whole."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


class Content(NamedTuple):
    """What there is to answer: 200 with these headers, of characters that a header may have, and this body."""

    headers: Mapping[str, str]
    body: bytes


class Later(NamedTuple):
    """Something that is done elsewhere, and how its result is told. If it fails, the routes are asked, and do it again."""

    done: asyncio.Future[Any]
    told: Callable[[Any], Content]


class Prompt(Protocol):
    """Answers what can be answered without waiting, exactly as the routes would."""

    @property
    def headers(self) -> frozenset[bytes]:
        """Names of the headers that a request may have to be asked for here, in lower case."""
        ...

    def answer(self, asked: Asked) -> Content | Later | None:
        """Return the answer; None leaves it to the routes."""
        ...


class Connection(plain_requests.Connection):
    """A connection that asks `prompt` first, where it has nothing else to do."""

    def __init__(self, manager: web.Server, *, prompt: Prompt, **options: Any) -> None:
        super().__init__(manager, methods=_METHODS, headers=prompt.headers, **options)
        self._prompt = prompt

    def take(self, message: RawRequestMessage, body: bytes) -> bool | None:
        """Answer a request at once, when its answer was made elsewhere, or not at all."""
        asked = Asked(message.method, message.path, message.headers, body)
        answer = _attempted(self._prompt.answer, asked)
        if isinstance(answer, Later):
            end = functools.partial(self._end, message, body, answer.told)
            answer.done.add_done_callback(end)
            return None
        if answer is not None:
            self._write(message, answer)
        return answer is not None

    def _end(
        self,
        message: RawRequestMessage,
        body: bytes,
        told: Callable[[Any], Content],
        done: asyncio.Future[Any],
    ) -> None:
        """Answer by what was done elsewhere, and go on with the connection as it is by now."""
        content = None if done.cancelled() or done.exception() else _attempted(told, done.result())
        if content is None:
            self.leave(message, body)
        else:
            self._write(message, content)
        self.end()

    def _write(self, message: RawRequestMessage, content: Content) -> None:
        self.write(Answer(200, *content), http_problems.trace_of(message.headers))


def _attempted(tell: Callable[[_A], _B], what: _A) -> _B | None:
    try:
        return tell(what)
    except Exception as error:  # noqa: BLE001 - supervisor: a mistake there costs time, not the answer
        _log.error("no-prompt-answer", exc_info=error)
        return None
