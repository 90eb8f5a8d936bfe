"""Which program makes containers, if this machine has it. Standard library only."""

import os
import shutil

_SYSTEM = ("/usr/local/sbin", "/usr/sbin", "/sbin")
"""Not on the PATH of an ordinary user, who may run some of what is there."""


def runc() -> str | None:
    """Return the path of runc."""
    return shutil.which("runc") or shutil.which("runc", path=os.pathsep.join(_SYSTEM))


def why_not() -> str:
    """Return in words why this process can make no containers; empty: it can."""
    if runc() is None:
        return "This agent's machine has no runc"
    return "" if os.geteuid() == 0 else "Only root's agents make containers"
