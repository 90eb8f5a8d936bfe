"""Somebody to be killed: leases, uses and returns clusters of the example without end, or throws them away.

With `--fork` it leases one and has a child that outlives it, with all that a fork inherits.
"""

import asyncio
import os
import signal
import sys
import urllib.request

import harbour

from shakeout import settings
from shakeout.broker.client import Client


async def main() -> None:
    client = Client(settings.read())
    if "--fork" in sys.argv:
        await hold(client)
    turn = 0
    while True:
        turn += 1
        private = turn % 3 == 0
        lease = await client.lease(harbour.small, {}, durable=False, private=private)
        print("leased", flush=True)
        await asyncio.to_thread(ask, lease.cluster.address("dinghy"))
        if private:
            await lease.cluster.kill("dinghy")
            await lease.cluster.start("dinghy")
            await lease.close()
        else:
            await lease.give_back()


def ask(url: str) -> bytes:
    with urllib.request.urlopen(url) as answer:
        told: bytes = answer.read()
    return told


async def hold(client: Client) -> None:
    lease = await client.lease(harbour.small, {}, durable=False, private=False)
    if os.fork() == 0:
        signal.alarm(20)
        signal.pause()
    print("leased", flush=True)
    await asyncio.Event().wait()
    await lease.close()


asyncio.run(main())
