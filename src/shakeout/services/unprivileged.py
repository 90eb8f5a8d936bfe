"""Run a server that refuses to be root, as root: in a user namespace, else as user `nobody`.

In the namespace the files still belong to root outside, so they need no change of owner.
"""

import functools
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

NAMESPACE = ("unshare", "--user", "--map-user=1000", "--map-group=1000")
NOBODY = 65534
DROPPED = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--")


def command(argv: Sequence[str]) -> tuple[str, ...]:
    """The same command, run as somebody who is not root. Replaces itself: the pid stays."""
    return (*_prefix(os.getuid()), *argv)


def hand_over(directory: Path) -> None:
    """Give a directory and all below to the user that `command` runs as, where it is another."""
    if _prefix(os.getuid()) != DROPPED:
        return
    os.chown(directory, NOBODY, NOBODY)
    for path in directory.rglob("*"):
        os.chown(path, NOBODY, NOBODY, follow_symlinks=False)


def namespaces_work() -> bool:
    """Whether this user may make user namespaces. Takes about 5 ms."""
    unshare = shutil.which(NAMESPACE[0])
    if not unshare:
        return False
    attempt = subprocess.run([unshare, *NAMESPACE[1:], "true"], capture_output=True, check=False)
    return attempt.returncode == 0


@functools.cache
def _prefix(uid: int) -> tuple[str, ...]:
    if uid != 0:
        return ()
    return NAMESPACE if namespaces_work() else DROPPED
