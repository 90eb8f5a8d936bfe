"""Threads of a volume's own for calls that block, so that a slow disk stops nothing else."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ParamSpec, Protocol, TypeVar

from quarterdeck.storage_proxy.volumes import walk

_THREADS = 8


class Closable(Protocol):
    """Something that is held until it is closed."""

    def close(self) -> None:
        """Let go of it."""
        ...


_P = ParamSpec("_P")
_T = TypeVar("_T")
_C = TypeVar("_C", bound=Closable)


class Threads:
    """Runs calls that block, and turns what the file system answers into the conditions of `errors`."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="volume")

    def close(self) -> None:
        """Wait for what runs, start nothing more."""
        self._pool.shutdown()

    async def run(self, work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Run the call in a thread."""
        return await asyncio.wrap_future(self._begin(work, *args, **kwargs))

    async def take(self, work: Callable[_P, _C], *args: _P.args, **kwargs: _P.kwargs) -> _C:
        """Run a call whose result is to be closed: who is cancelled meanwhile leaves nothing open."""
        begun = self._begin(work, *args, **kwargs)
        try:
            return await asyncio.wrap_future(begun)
        except asyncio.CancelledError:
            begun.add_done_callback(_close)
            raise

    def _begin(self, work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        def call() -> _T:
            with walk.translated():
                return work(*args, **kwargs)

        return self._pool.submit(call)


def _close(ended: Future[_C]) -> None:
    if not ended.cancelled() and ended.exception() is None:
        ended.result().close()
