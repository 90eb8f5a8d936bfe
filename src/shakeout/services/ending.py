"""Ending a process with a signal of the service's own choice."""

import asyncio

from shakeout.process.handle import Process


async def stop(process: Process, number: int, within_seconds: float) -> None:
    """End a process with a signal, and with SIGKILL when that takes too long."""
    process.expect_exit()
    await process.signal(number)
    try:
        async with asyncio.timeout(within_seconds):
            await process.wait()
    except TimeoutError:
        await process.kill()
