"""`Reaper`: the runner's handle of the reaper process, which it starts and whose end it awaits."""

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from shakeout.process import errors, protocol
from shakeout.process.channel import Channel
from shakeout.process.protocol import Message
from shakeout.settings import RUN, Settings

CLOSE_SECONDS_MAX = 30.0

_BOOT = (
    "import sys; sys.path[0] = sys.argv.pop(1); from shakeout.process import reaper; reaper.main()"
)


class Reaper:
    """The reaper process. It sweeps when its channel to us closes, so `close` is all there is to do.

    `lose` is called with the name of what died, reaper or spawner, and what it said last.
    """

    def __init__(
        self,
        settings: Settings,
        run_id: str,
        spawners_end: socket.socket,
        lose: Callable[[str, str], None],
    ) -> None:
        self._refusal: Message | None = None
        self._answered = asyncio.Event()
        self._gone = asyncio.Event()
        self._lost = lose
        ours, theirs = protocol.pair()
        with theirs:
            self._process = _start(settings, run_id, theirs, spawners_end)
        self._control = Channel(ours, self._hear, self._lose)

    async def ready(self) -> None:
        """Wait until the run directory and the spawner are there. Raises DirectoryRefused, HarnessDied."""
        await self._answered.wait()
        if self._refusal is not None:
            raise errors.DirectoryRefused(self._refusal["error"])
        if self._gone.is_set():
            raise errors.HarnessDied("reaper", "while it started")

    async def close(self) -> None:
        """End the run; returns when the reaper has swept and is gone."""
        self._control.hang_up()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS_MAX):
                await self._gone.wait()
        self._control.close()
        self._process.kill()
        self._process.wait()

    def _hear(self, message: Message) -> None:
        if "lost" in message:
            self._lost(message["lost"], message["said"])
        if "error" in message:
            self._refusal = message
        self._answered.set()

    def _lose(self) -> None:
        self._gone.set()
        self._answered.set()
        self._lost("reaper", "")


def package_root() -> Path:
    """Directory from which `shakeout` is imported."""
    return Path(__file__).parents[2]


def _start(
    settings: Settings, run_id: str, control: socket.socket, spawners: socket.socket
) -> subprocess.Popen[bytes]:
    passed = (control.fileno(), spawners.fileno())
    arguments = (package_root(), os.getpid(), settings.home, run_id, *passed)
    return subprocess.Popen(
        [sys.executable, "-S", "-E", "-s", "-c", _BOOT, *map(str, arguments)],
        pass_fds=passed,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        cwd="/",
        env={**settings.inherited, RUN: run_id},
    )
