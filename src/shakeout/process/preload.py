"""The zygote: a spawner that imports modules first, so that its forks need not.

The program that `zygote` starts. Its channel is descriptor 3.
"""

import fcntl
import gc
import importlib
import os
import socket
import sys
import traceback
from pathlib import Path

from shakeout.process import child, linux, sweep
from shakeout.process.protocol import Message
from shakeout.process.spawner import Spawner

TRACEBACK_MAX = 65536


class ZygoteSpawner(Spawner):
    """A spawner that also does "preload"."""

    def do(self, message: Message, descriptors: tuple[int, ...]) -> Message:
        if message["do"] == "preload":
            return _preload(message["modules"], message["path"])
        return super().do(message, descriptors)


def main() -> None:
    """Be the zygote; the run directory is the argument."""
    linux.name_process("shk-zygote")
    linux.adopt_orphans()
    directory = Path(sys.argv[1])
    channel = fcntl.fcntl(
        child.LISTEN_DESCRIPTOR_FIRST, fcntl.F_DUPFD_CLOEXEC, child.HIGH_DESCRIPTOR_FIRST
    )
    _reserve(range(child.LISTEN_DESCRIPTOR_FIRST, child.HIGH_DESCRIPTOR_FIRST))
    ZygoteSpawner(socket.socket(fileno=channel), directory, keeps_orphans=False).serve()
    sweep.kill_descendants(directory)


def _reserve(numbers: range) -> None:
    """Fill these descriptors, so that no import takes a number which a component's socket needs."""
    null = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    high = fcntl.fcntl(null, fcntl.F_DUPFD_CLOEXEC, numbers.stop)
    for number in numbers:
        os.dup2(high, number, inheritable=False)
    os.close(high)


def _preload(modules: list[str], path: list[str]) -> Message:
    """Import all that can be; then move all objects out of the collector's sight: forks share their pages.

    Replies with the tracebacks of those that cannot be imported, by module. The collector rests meanwhile: it would take a fifth of the time, and imports leave little to collect.
    """
    sys.path[:] = path
    importlib.invalidate_caches()
    gc.disable()
    failed: dict[str, str] = {}
    for module in modules:
        try:
            importlib.import_module(module)
        except BaseException:  # noqa: BLE001 (SystemExit, too, is the module's and not ours)
            failed[module] = traceback.format_exc()
    gc.freeze()
    gc.enable()
    return {
        "failed": {
            module: told[-(TRACEBACK_MAX // len(failed)) :] for module, told in failed.items()
        }
    }
