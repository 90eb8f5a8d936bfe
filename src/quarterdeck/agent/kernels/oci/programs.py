"""Which program makes containers, if this machine has it. Standard library only."""

import os
import shutil

_SYSTEM = ("/usr/local/sbin", "/usr/sbin", "/sbin")
"""Not on the PATH of an ordinary user, who may run some of what is there."""


def runc() -> str | None:
    """Return the path of runc."""
    return shutil.which("runc") or shutil.which("runc", path=os.pathsep.join(_SYSTEM))
