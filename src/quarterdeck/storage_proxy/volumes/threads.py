"""Threads of a volume's own for calls that block, so that a slow disk stops nothing else."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ParamSpec, Protocol, TypeVar

from quarterdeck.storage_proxy.volumes import walk

_THREADS = 8
_LONG_THREADS = 8
"""More than two users take at once, and the clones of a manager."""


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
        self._long = ThreadPoolExecutor(_LONG_THREADS, thread_name_prefix="volume-long")

    def close(self) -> None:
        """Wait for what runs, start nothing more."""
        self._pool.shutdown()
        self._long.shutdown()

    async def run(self, work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Run the call in a thread."""
        return await self.begun(work, *args, **kwargs)

    def begun(
        self, work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs
    ) -> asyncio.Future[_T]:
        """Have the call run in a thread."""
        return asyncio.wrap_future(self._begin(work, *args, **kwargs))

    async def run_long(self, work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Run a call that takes longer the more there is, in a thread that is for those only."""
        return await asyncio.wrap_future(self._long.submit(_call(work, *args, **kwargs)))

    async def take(self, work: Callable[_P, _C], *args: _P.args, **kwargs: _P.kwargs) -> _C:
        """Run a call whose result is to be closed: who is cancelled meanwhile leaves nothing open."""
        begun = self._begin(work, *args, **kwargs)
        try:
            return await asyncio.wrap_future(begun)
        except asyncio.CancelledError:
            begun.add_done_callback(_close)
            raise

    def _begin(self, work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        return self._pool.submit(_call(work, *args, **kwargs))


def _call(work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> Callable[[], _T]:
    def call() -> _T:
        with walk.translated():
            return work(*args, **kwargs)

    return call


def _close(ended: Future[_C]) -> None:
    if not ended.cancelled() and ended.exception() is None:
        ended.result().close()
