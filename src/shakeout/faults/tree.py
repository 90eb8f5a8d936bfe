"""The processes of one member: its own and all that descend from it. Signals and limits for `process` and `memory`."""

import contextlib
import os
import signal

from shakeout.process import procfs
from shakeout.process.procfs import Stat
from shakeout.system.cluster import Cluster

ROUNDS_MAX = 20
STOPPED = "T"


def pid(cluster: Cluster, name: str) -> int:
    """Pid of a member that runs. Raises NotRunning."""
    return cluster.process(name).pid


def living(root: int) -> list[Stat]:
    """A process and its descendants, parents first, without those that are dead."""
    own = procfs.stat(root)
    found = [own, *procfs.descendants(root)] if own else []
    return [one for one in found if one.alive]


def stop(root: int) -> None:
    """SIGSTOP all of them, parents first, until none is left that might make another."""
    for _ in range(ROUNDS_MAX):
        running = [one for one in living(root) if one.state != STOPPED]
        if not running:
            return
        for one in running:
            send(one, signal.SIGSTOP)


def resume(root: int) -> None:
    """SIGCONT all of them, children first."""
    for one in reversed(living(root)):
        send(one, signal.SIGCONT)


def send(to: Stat, number: int) -> None:
    """Signal exactly the process that was looked at, or nobody."""
    with contextlib.suppress(ProcessLookupError):
        held = os.pidfd_open(to.pid)
        try:
            now = procfs.stat(to.pid)
            if now is not None and now.started == to.started:
                signal.pidfd_send_signal(held, number)
        finally:
            os.close(held)
