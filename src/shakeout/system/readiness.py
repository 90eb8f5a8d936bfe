"""Waiting for a starting member: repeated probes against its death and its deadline.

The only place of the boot that waits for time to pass: a server that is starting signals nothing.
"""

import asyncio
import contextlib
import fcntl
from collections.abc import Awaitable, Callable

from shakeout.system import loopback

Probe = Callable[[], Awaitable[str]]
"""Empty when ready, else what is missing."""

PAUSE_SECONDS_FIRST = 0.002
PAUSE_SECONDS_MAX = 0.02
PAUSE_GROWTH = 1.3
REASON_BYTES_MAX = 300


async def missing(probe: Probe, within_seconds: float) -> str:
    """Probe until ready; empty on success, else what the last probe missed at the deadline."""
    reason = "it answered nothing"
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(within_seconds):
            pause = PAUSE_SECONDS_FIRST
            while reason := await probe():
                await asyncio.sleep(pause)  # noqa: TID251 (a starting server signals nothing)
                pause = min(pause * PAUSE_GROWTH, PAUSE_SECONDS_MAX)
    return reason


async def locked(descriptor: int, within_seconds: float) -> bool:
    """Lock a file for this process alone, as soon as nobody else has; False at the deadline."""

    async def refusal() -> str:  # noqa: RUF029 (a probe)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return "somebody else holds it"
        return ""

    return not await missing(refusal, within_seconds)


async def http_probe(port: int, path: str, status: int) -> str:
    """One GET on a loopback port; blocks in the listen backlog until the program accepts."""
    try:
        answer = await loopback.request(port, "GET", path)
    except OSError as refusal:
        return f"GET {path}: {refusal}"
    if answer.status != status:
        return f"GET {path} answered {answer.status} {answer.body[:REASON_BYTES_MAX].decode(errors='replace')}"
    return ""
