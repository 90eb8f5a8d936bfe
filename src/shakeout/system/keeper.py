"""The process that keeps the disks of a cluster: it lives in namespaces of its own, where the disks are mounted.

`disks` starts it, and members join its namespaces (`Program.namespaces`). Standard library only.
"""

import os
import signal
import sys
from pathlib import Path

from shakeout.process import linux

READ_ONLY = "read-only"
WRITABLE = "writable"


def main() -> None:
    """Mount a file system of `size` bytes on each directory (arguments: size, directories), and stay."""
    _, size, *directories = sys.argv
    uid, gid = os.getuid(), os.getgid()
    linux.unshare(linux.CLONE_NEWUSER | linux.CLONE_NEWNS)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1")
    Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1")
    linux.mount("none", "/", "", linux.MS_REC | linux.MS_SLAVE)
    for directory in directories:
        linux.mount("shakeout", directory, "tmpfs", 0, options=f"size={size},mode=0700")
    signal.sigwait({signal.SIGTERM})


def remount() -> None:
    """In the namespaces of a keeper: cover a directory with a read-only view of itself, or uncover it."""
    _, how, directory = sys.argv
    if how == WRITABLE:
        linux.unmount(directory)
        return
    linux.mount(directory, directory, "", linux.MS_BIND)
    linux.mount("none", directory, "", linux.MS_BIND | linux.MS_REMOUNT | linux.MS_RDONLY)
