"""`python -m benchmarks.busy`: a whole platform at work that never ends by itself, for `harness` to kill.

Prints the run's id and directory as JSON once it is busy: sessions run, one of them with a child that has left its process group.
"""

import asyncio
import json

from benchmarks import platforms, sessions
from quarterdeck.testing.system import system
from quarterdeck.testing.tenancy import User
from shakeout.process.supervisor import Supervisor
from shakeout.system import boot

STRAY = "import subprocess; subprocess.Popen(['setsid', 'sleep', '1000'])"


async def main() -> None:
    """Boot, be busy, say so, and go on."""
    async with await Supervisor.open() as supervisor:
        async with await boot.boot(system, supervisor) as cluster:
            async with platforms.visited(cluster) as user:
                await begin(user)
                told = {"run": supervisor.run_id, "directory": str(supervisor.run_directory)}
                print(json.dumps(told), flush=True)
                await go_on(user)


async def begin(user: User) -> None:
    """A session that stays, with a child that has left its process group."""
    steady = await user.sessions.create(slots=sessions.SLOTS)
    await steady.reaches("RUNNING", within=30)
    await steady.execute(STRAY)


async def go_on(user: User) -> None:
    """Sessions come and go."""
    while True:
        await sessions.first_output(user)


if __name__ == "__main__":
    asyncio.run(main())
