"""Run a command, signal it after a while, and count what it leaves: `census.py SIGNAL MARKER SECONDS GRACE_SECONDS COMMAND...`.

The while begins when the file MARKER is there, or at once if that is "-". A subreaper: whatever the command started and left becomes a child of this process, so the kernel itself says when nothing
is left. It dies with whoever started it, and the command dies with it. Writes one JSON object: the command's exit code, how long it took until nothing was left, what was left at the end, and the end of what the command said.
"""

import ctypes
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import BinaryIO

from shakeout import mortal

PR_SET_CHILD_SUBREAPER = 36
MARKER_SECONDS_MAX = 60.0
LOOK_SECONDS = 0.02
SAID_BYTES_MAX = 8192


def main() -> None:
    name, marker, seconds, grace_seconds, *command = sys.argv[1:]
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    with tempfile.TemporaryFile() as said:
        runner = subprocess.Popen(
            mortal.command(*command), start_new_session=True, stdout=said, stderr=said
        )
        pidfd = os.pidfd_open(runner.pid)
        if marker != "-":
            wait_for(Path(marker), pidfd)
        select.select([pidfd], [], [], float(seconds))
        signalled = time.monotonic()
        os.kill(runner.pid, signal.Signals[name])
        code = runner.wait()
        ended = time.monotonic()
        deadline = ended + float(grace_seconds)
        while time.monotonic() < deadline and reap_one(deadline):
            pass
        told = {
            "code": code,
            "stop_seconds": ended - signalled,
            "left_seconds": time.monotonic() - ended,
            "left": [describe(pid) for pid in children()],
            "said": end_of(said),
        }
    sys.stdout.write(json.dumps(told))


def wait_for(marker: Path, pidfd: int) -> None:
    """Return when the file is there, when the process has ended, or when it takes too long."""
    deadline = time.monotonic() + MARKER_SECONDS_MAX
    ended: list[int] = []
    while not (marker.exists() or ended or time.monotonic() > deadline):
        ended, _, _ = select.select([pidfd], [], [], LOOK_SECONDS)


def reap_one(deadline: float) -> bool:
    """Wait for the end of a child, or the deadline; tell whether there may be more."""
    pids = children()
    if not pids:
        return False
    fds = [os.pidfd_open(pid) for pid in pids]
    ready, _, _ = select.select(fds, [], [], max(0.0, deadline - time.monotonic()))
    for pid, fd in zip(pids, fds, strict=True):
        if fd in ready:
            os.waitpid(pid, 0)
        os.close(fd)
    return True


def children() -> list[int]:
    return [
        int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    ]


def describe(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ").strip()


def end_of(said: BinaryIO) -> str:
    said.seek(max(0, said.seek(0, os.SEEK_END) - SAID_BYTES_MAX))
    return said.read().decode(errors="replace")


if __name__ == "__main__":
    main()
