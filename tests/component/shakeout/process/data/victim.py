"""A runner to be killed: it starts a bit of everything, says what it did, and waits for ever.

Usage: python victim.py <witness file> [component ...]. Components write what they hold into the witness
file (see `cast`), because nobody can tell any more once they are killed.
"""

import asyncio
import os
import signal
import sys

from shakeout.process.spawn import Program
from shakeout.process.supervisor import Supervisor

WITNESS = sys.argv[1]
COMPONENTS = sys.argv[2:] or ["holder", "forker", "escaper", "stubborn"]


async def main() -> None:
    supervisor = await Supervisor.open()
    say("open")
    await supervisor.preload(("cast", "decimal"))
    cluster = supervisor.scope("cluster")
    for turn in range(2):
        await cluster.start(program(supervisor, f"sleeper-{turn}", argv=("sleep", "1000")))
        script = "setsid sleep 1001 & exec sleep 1002"
        await cluster.start(program(supervisor, f"shell-{turn}", argv=("sh", "-c", script)))
    for name in COMPONENTS:
        await cluster.start(program(supervisor, name, call=f"cast:{name}", args=(WITNESS,)))
        say(name)
    await supervisor.start(program(supervisor, "lonely", call="cast:holder", args=(WITNESS,)))
    say("ready")
    await asyncio.Event().wait()


def program(
    supervisor: Supervisor, name: str, *, argv: tuple[str, ...] = (), call: str = "", args=()
) -> Program:
    directory = supervisor.run_directory / name
    return Program(
        name,
        directory,
        directory / "log",
        argv=argv,
        call=call,
        args=args,
        environment={"PATH": os.environ["PATH"]},
    )


def say(step: str) -> None:
    print(step, flush=True)


if __name__ == "__main__":
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # whoever ran the tests by nohup left it ignored
    asyncio.run(main())
