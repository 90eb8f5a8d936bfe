"""A process that moves a tree of a local volume to another quota scope, and is killed in the middle: at its first step, at its second, ...

    python -m quarterdeck.testing.volume_deaths ROOT TREE SCOPE

A step is what the interpreter tells of before it happens: a file that is opened, locked, renamed or removed. For each line on standard
input a child does the whole; it is killed one step later than the child before. A line on standard output says how it ended.
"""

import os
import signal
import sys
from pathlib import Path

from quarterdeck.base.clock import SystemClock
from quarterdeck.storage_proxy.volumes import rescoping
from quarterdeck.storage_proxy.volumes.places import Places
from quarterdeck.storage_proxy.volumes.quotas import Quotas

_STEPS = ("open", "os.rename", "os.remove", "os.mkdir", "fcntl.flock")


def _die_at(last: int) -> None:
    steps = 0

    def hook(event: str, _: tuple[object, ...]) -> None:
        nonlocal steps
        if event in _STEPS:
            steps += 1
            if steps == last:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


def _child(root: str, tree: str, scope: str, turn: int) -> int:
    """Return what waiting for the child tells."""
    child = os.fork()
    if child == 0:
        where = Places(Path(root))
        _die_at(turn)
        rescoping.rescope(
            where, Quotas(where, SystemClock()), tree, scope, turn=turn, must_fit=True
        )
        os._exit(0)
    return os.waitpid(child, 0)[1]


def _main(root: str, tree: str, scope: str) -> None:
    for turn, _ in enumerate(sys.stdin, start=1):
        ended = _child(root, tree, scope, turn)
        print("killed" if os.WIFSIGNALED(ended) else f"exit {ended}", flush=True)  # noqa: T201 - a program


if __name__ == "__main__":
    _main(*sys.argv[1:])
