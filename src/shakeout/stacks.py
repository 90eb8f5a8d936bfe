"""Where every task of an event loop waits: the chain of coroutines behind each, innermost last."""

import asyncio
import linecache
from collections.abc import Iterator
from types import CodeType
from typing import Any

TASKS_MAX = 50
FRAMES_MAX = 30


def dump(loop: asyncio.AbstractEventLoop) -> str:
    """All tasks that are not done, as text. For signal handlers, too: it only looks."""
    tasks = sorted(asyncio.all_tasks(loop), key=lambda task: task.get_name())
    parts = [_describe(task) for task in tasks[:TASKS_MAX]]
    if len(tasks) > TASKS_MAX:
        parts.append(f"… and {len(tasks) - TASKS_MAX} more tasks")
    return "\n".join(parts)


def _describe(task: asyncio.Task[Any]) -> str:
    coroutine = task.get_coro()
    name = getattr(coroutine, "__qualname__", repr(coroutine))
    frames = [_frame(code, line) for code, line in _chain(coroutine)]
    return "\n".join([f"{task.get_name()} runs {name}", *(f"  {frame}" for frame in frames)])


def _chain(awaited: Any) -> Iterator[tuple[CodeType, int]]:
    """Code and line of each coroutine that waits for the next."""
    for _ in range(FRAMES_MAX):
        frame = getattr(awaited, "cr_frame", None) or getattr(awaited, "ag_frame", None)
        frame = frame or getattr(awaited, "gi_frame", None)
        if frame is None:
            return
        yield frame.f_code, frame.f_lineno
        awaited = (
            getattr(awaited, "cr_await", None)
            or getattr(awaited, "ag_await", None)
            or getattr(awaited, "gi_yieldfrom", None)
        )


def _frame(code: CodeType, line: int) -> str:
    source = linecache.getline(code.co_filename, line).strip()
    return f"{code.co_filename}:{line} in {code.co_qualname}: {source}"
