"""Which process a kernel is, what it runs by what this agent's own processes have written down, and how it is interrupted. Used by `process`."""

import os
import re
import signal
from pathlib import Path

from quarterdeck.agent.kernels.errors import KernelNotStarted

_PARENT = 1
"""Field of /proc/<pid>/stat after the name."""

_TITLE = re.compile(rb"kernel \S+ run (\S+)")


def pid(told: int, file: Path | None) -> int:
    """Return a kernel's pid: from our file where there is one, for what is told by an image's program is anything. Raises `KernelNotStarted`."""
    try:
        found = told if file is None else int(file.read_text())
    except (OSError, ValueError) as error:
        raise KernelNotStarted(f"Its pid is not known: {error}") from error
    if found <= 1:  # to signal its group would reach everybody, or this agent
        raise KernelNotStarted(f"Its pid cannot be {found}")
    return found


def interrupt(pid_: int, *, group: bool = False) -> None:
    """Interrupt a kernel; `group`: with all that it has started."""
    try:
        (os.killpg if group else os.kill)(pid_, signal.SIGINT)
    except ProcessLookupError:  # it has just ended: the zygote tells
        return


def run_of(pid_: int) -> str | None:
    """Return the run that a kernel shows in its title, or in that of its parent if an image's shell runs it."""
    try:
        stat = Path(f"/proc/{pid_}/stat").read_text()
        parent = stat[stat.rindex(")") + 2 :].split()[_PARENT]
        titles = [Path(f"/proc/{one}/cmdline").read_bytes() for one in (pid_, parent)]
    except OSError:
        return None
    found = next(filter(None, map(_TITLE.search, titles)), None)
    return found[1].decode() if found else None
