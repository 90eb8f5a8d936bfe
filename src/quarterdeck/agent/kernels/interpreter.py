"""Runs pieces of Python in one lasting namespace, as `__main__`. Used by `runner`; knows nothing of processes."""

import ast
import json
import linecache
import sys
import traceback
import types
from collections.abc import Callable
from typing import Any, NamedTuple

from quarterdeck.agent.kernels import channel, completion
from quarterdeck.agent.kernels.completion import Found

RESULT_BYTES_MAX = channel.TEXTS_BYTES_MAX // 2
ERROR_BYTES_MAX = channel.TEXTS_BYTES_MAX // 4
"""Of an exception's message, and of its traceback."""
TYPE_BYTES_MAX = 1000
_ESCAPED_BYTES_MAX = 6
"""Of one character in JSON."""
CELLS_MAX = 1000
_OURS = __file__.rpartition("/")[0] + "/"


def _nothing_with(_: Any) -> None:
    """Do nothing with a result."""


def _nothing() -> None:
    """Do nothing first."""


class Outcome(NamedTuple):
    """What came of a piece of code. `result` is the repr of its last expression; `error` has type, message and traceback."""

    status: str
    result: str | None = None
    error: dict[str, str] | None = None
    truncated: bool = False
    exit_code: int | None = None

    def message(self) -> dict[str, Any]:
        """Return it as a message for the channel."""
        return self._asdict()


class Interpreter:
    """A namespace and the code that has run in it."""

    def __init__(self) -> None:
        self._module = types.ModuleType("__main__")
        self._count = 0
        self.on_result: Callable[[Any], None] = _nothing_with

    @property
    def namespace(self) -> dict[str, Any]:
        """The names that the code has defined."""
        return vars(self._module)

    def install(self) -> None:
        """Make the namespace this process's `__main__`, so that pickle and `multiprocessing` find its classes."""
        sys.modules["__main__"] = self._module

    def run(self, code: str, begin: Callable[[], None] = _nothing) -> Outcome:
        """Run code, after `begin`. Every exception of both, SystemExit and KeyboardInterrupt too, is the outcome."""
        name = self._remember(code)
        try:
            result = self._evaluate(code, name, begin)
        except BaseException as error:  # noqa: BLE001 - supervisor: the user's code may raise anything
            return _failure(error)
        if result is None:
            return Outcome("ok")
        text, truncated = _cut(result, RESULT_BYTES_MAX)
        return Outcome("ok", result=text, truncated=truncated)

    def complete(self, code: str, cursor: int | None) -> Found:
        """Return how code could go on before a cursor; nothing if an object of the user's objects to being looked at."""
        try:
            return self._look(code, cursor)
        except BaseException:  # noqa: BLE001 - supervisor: the user's code may raise anything
            return Found((), 0, 0)

    def _look(self, code: str, cursor: int | None) -> Found:
        return completion.complete(self.namespace, code, cursor)

    def _remember(self, code: str) -> str:
        """Keep the lines for tracebacks, of the newest cells, under a name for the code; return the name."""
        self._count += 1
        linecache.cache.pop(f"<cell {self._count - CELLS_MAX}>", None)
        name = f"<cell {self._count}>"
        linecache.cache[name] = (len(code), None, code.splitlines(keepends=True), name)
        return name

    def _evaluate(self, code: str, name: str, begin: Callable[[], None]) -> str | None:
        begin()
        tree = ast.parse(code, name)
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, name, "exec", dont_inherit=True), self.namespace)
        if not isinstance(last, ast.Expr):
            return None
        expression = ast.Expression(last.value)
        value = eval(compile(expression, name, "eval", dont_inherit=True), self.namespace)
        if value is None:
            return None
        self.namespace["_"] = value
        text = repr(value)
        self.on_result(value)
        return text


def _failure(error: BaseException) -> Outcome:
    try:
        message, text = _described(error)
    except BaseException as broken:  # noqa: BLE001 - supervisor: str() of the user's exception may raise anything
        message = f"<its text cannot be shown: {type(broken).__name__}>"
        text = f"{type(error).__name__}: {message}\n"
    type_, _ = _cut(type(error).__name__, TYPE_BYTES_MAX)
    message, cut_message = _cut(message, ERROR_BYTES_MAX)
    text, cut_text = _cut(text, ERROR_BYTES_MAX)
    return Outcome(
        "error",
        error={"type": type_, "message": message, "traceback": text},
        truncated=cut_message or cut_text,
    )


def _described(error: BaseException) -> tuple[str, str]:
    """Return an exception's message and traceback, the latter without our own frames."""
    message = str(error)
    found = traceback.TracebackException.from_exception(error)
    _keep_the_users_part(found)
    return message, "".join(found.format())


def _keep_the_users_part(found: traceback.TracebackException) -> None:
    links: list[traceback.TracebackException | None] = [found]
    while links:
        link = links.pop()
        if link is not None:
            link.stack[:] = [each for each in link.stack if not each.filename.startswith(_OURS)]
            links += [link.__cause__, link.__context__]


def _cut(text: str, bytes_max: int) -> tuple[str, bool]:
    """Return text that fits any encoding and the limit, escaped in JSON twice the limit, and whether it had to be cut."""
    data = text[: bytes_max + 1].encode("utf-8", "replace")
    kept = data[:bytes_max].decode("utf-8", "ignore")
    if len(json.dumps(kept, ensure_ascii=False).encode()) - 2 > 2 * bytes_max:
        return kept[: 2 * bytes_max // _ESCAPED_BYTES_MAX], True
    return kept, len(data) > bytes_max


INTERRUPTIBLE = frozenset(
    {
        Interpreter._evaluate.__code__,  # noqa: SLF001 - part of this module
        Interpreter._look.__code__,  # noqa: SLF001 - the same
        _described.__code__,
    }
)
"""Functions below which the user's code runs, and every exception is its outcome: an interrupt may be raised there, and only there."""
