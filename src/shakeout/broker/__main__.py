"""`python -m shakeout.broker status | retire | stop`: what the brokers of this user do, and their end; `retire` ends those
that nobody uses. Also where a broker begins.
"""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from shakeout import settings as settings_module
from shakeout.broker import protocol, sources, start
from shakeout.broker.server import Server
from shakeout.process import linux
from shakeout.process.errors import HarnessDied
from shakeout.process.supervisor import Supervisor

LOG = "broker.log"
COMMANDS = ("status", "retire", "stop")


def main(argv: list[str]) -> int:
    """Ask every broker; returns 2 for wrong use."""
    if len(argv) != 1 or argv[0] not in COMMANDS:
        sys.stderr.write("usage: python -m shakeout.broker status | retire | stop\n")
        return 2
    for path in protocol.find(settings_module.read().home):
        try:
            answer = _ask(path, argv[0])
        except OSError:  # left behind by a broker that was killed with its reaper
            continue
        sys.stdout.write(json.dumps(answer) + "\n")
    return 0


def serve() -> None:
    """Be a broker, as told by `sys.argv`: a description, and the pipe to tell that it listens."""
    linux.name_process("shk-broker")
    told, ready = json.loads(sys.argv[1]), int(sys.argv[2])
    _held = sources.hold(Path(told["copy"]))
    try:
        asyncio.run(_serve(told, ready))
    except* HarnessDied as died:
        sys.stderr.write(f"{died.exceptions}\n")


async def _serve(told: dict[str, Any], ready: int) -> None:
    loop = asyncio.get_running_loop()
    async with await Supervisor.open() as supervisor:
        server = Server(supervisor, told["key"], told["idle_seconds"])
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, server.stop)
        listener = protocol.listen(protocol.socket_path(supervisor.run_directory, told["key"]))
        _tell_ready(ready, supervisor.run_directory / LOG)
        await server.serve(listener)


def _tell_ready(ready: int, log: Path) -> None:
    """Tell whoever started us, and print to a file from now on."""
    output = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    os.write(ready, start.READY)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(output)
    os.close(ready)


def _ask(path: Path, command: str) -> dict[str, Any]:
    """Raises OSError when nobody answers. A broker that ends has gone on return."""
    answer = protocol.ask(path, command)
    if answer.get("ends"):
        _wait_for_end(path)
    return answer


def _wait_for_end(path: Path) -> None:
    """Until the run directory has gone, which is the last thing that goes."""
    asyncio.run(start.until_gone(path.parent))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
