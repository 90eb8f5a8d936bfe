"""Find the broker for some state of the code, or start it: detached, from a copy of the code, one at a time.

The new process becomes nobody's child; it tells through a pipe that it listens, or what went wrong.
"""

import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from shakeout.broker import protocol, sources
from shakeout.broker.errors import BrokerUnavailable
from shakeout.broker.sources import Sources
from shakeout.process import directories
from shakeout.settings import CACHE, HOME, Settings
from shakeout.system import readiness

LOCK = "broker.lock"
BROKERS_MAX = 3
"""Of one home, for different states of the code or of what is installed."""
LOCK_SECONDS_MAX = 30.0
START_SECONDS_MAX = 20.0
READY = b"ready\n"
SAID_BYTES_MAX = 65536

_BOOT = (
    "import os, sys; os.fork() and os._exit(0); import json; "
    "sys.path[:] = json.loads(sys.argv[1])['path']; "
    "from shakeout.broker import __main__; __main__.serve()"
)


async def connected(settings: Settings, key: str, code: Sources) -> socket.socket:
    """Connect to the broker, started if there is none. Raises BrokerUnavailable."""
    if found := _connected(settings.home, key):
        return found
    try:
        directories.prepare_home(settings.home)
        async with _alone(settings.home):
            if found := _connected(settings.home, key):
                return found
            copy = await asyncio.to_thread(sources.provide, settings.cache, key, code)
            await _start(settings, key, copy, code)
            if found := _connected(settings.home, key):
                return found
    except OSError as error:
        raise BrokerUnavailable(f"no broker can be started: {error}") from error
    raise BrokerUnavailable("the broker that was started does not listen")


def _connected(home: Path, key: str) -> socket.socket | None:
    for path in protocol.find(home, key):
        with contextlib.suppress(OSError):  # left behind, or about to end
            return protocol.connect(path)
    return None


async def _start(settings: Settings, key: str, copy: Path, code: Sources) -> None:
    told = {
        "path": [str(copy), *code.installed],
        "key": key,
        "copy": str(copy),
        "idle_seconds": settings.broker_idle_seconds,
    }
    heard, ready = os.pipe2(os.O_CLOEXEC)
    try:
        await asyncio.to_thread(_spawn, settings, json.dumps(told), ready)
    finally:
        os.close(ready)
    said = await _said(heard)
    if not said.endswith(READY):
        raise BrokerUnavailable(f"the broker did not start: {said.decode(errors='replace')}")
    await asyncio.to_thread(retire, settings.home, keep=BROKERS_MAX)


def retire(home: Path, keep: int) -> None:
    """Ask all but the newest brokers to end if nobody uses them; does not wait for that."""
    for path in sorted(protocol.find(home), key=_started, reverse=True)[keep:]:
        with contextlib.suppress(OSError):  # gone, or too busy to be asked
            protocol.ask(path, "retire")


def _started(socket_path: Path) -> float:
    try:
        return socket_path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _spawn(settings: Settings, told: str, ready: int) -> None:
    """Start a process whose child goes on alone; returns at once."""
    subprocess.run(
        [sys.executable, "-c", _BOOT, told, str(ready)],
        pass_fds=[ready],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=ready,
        start_new_session=True,
        cwd="/",
        env={**settings.inherited, HOME: str(settings.home), CACHE: str(settings.cache)},
        check=False,
    )


async def _said(heard: int) -> bytes:
    """All that comes through the pipe; closes it."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    transport, _ = await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(heard, "rb")
    )
    try:
        async with asyncio.timeout(START_SECONDS_MAX):
            said = await reader.read(SAID_BYTES_MAX)
            while said and (more := await reader.read(SAID_BYTES_MAX)):
                said += more
    except TimeoutError:
        raise BrokerUnavailable(f"the broker did not start in {START_SECONDS_MAX:g} s") from None
    finally:
        transport.close()
    return said


@contextlib.asynccontextmanager
async def _alone(home: Path) -> AsyncIterator[None]:
    """Be the only one who starts a broker here. Raises BrokerUnavailable."""
    descriptor = os.open(home / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if not await readiness.locked(descriptor, LOCK_SECONDS_MAX):
            told = f"somebody else has been starting a broker for {LOCK_SECONDS_MAX:g} s"
            raise BrokerUnavailable(told)
        yield
    finally:
        os.close(descriptor)


async def until_gone(run_directory: Path) -> None:
    """Wait until a broker has left nothing; returns all the same after some seconds."""

    async def left() -> str:  # noqa: RUF029 (a probe)
        return "it is still there" if os.access(run_directory, os.F_OK) else ""

    await readiness.missing(left, START_SECONDS_MAX)
