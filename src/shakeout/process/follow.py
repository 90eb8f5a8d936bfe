"""`follow`: the lines of a log file as they are written, on the event loop and without polling."""

import asyncio
import contextlib
import os
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path

from shakeout.process import linux, logs
from shakeout.process.logs import LogLine

EVENT_BYTES_MAX = 65536
READ_BYTES_MAX = 1 << 20


async def follow(path: Path, start: int = 0, component: str = "") -> AsyncGenerator[LogLine, None]:
    """Yield each whole line from byte `start` on, for ever; the file may not exist yet.

    Its directory must. Raises OSError when the user has too many inotify descriptors.
    """
    news = asyncio.Event()
    rest = b""
    with _watching(path.parent, news):
        while True:
            news.clear()
            data = _read(path, start)
            start += len(data)
            *lines, rest = (rest + data).split(b"\n")
            for line in logs.parse_all(b"\n".join(lines).decode(errors="replace"), component):
                yield line
            if not data:
                await news.wait()


@contextlib.contextmanager
def _watching(directory: Path, news: asyncio.Event) -> Iterator[None]:
    """Set `news` whenever a file of the directory is made or written."""
    loop = asyncio.get_running_loop()
    descriptor = linux.watch(str(directory), linux.IN_CREATE | linux.IN_MODIFY)

    def heard() -> None:
        os.read(descriptor, EVENT_BYTES_MAX)
        news.set()

    loop.add_reader(descriptor, heard)
    try:
        yield
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


def _read(path: Path, start: int) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(start)
            return file.read(READ_BYTES_MAX)
    except FileNotFoundError:
        return b""
