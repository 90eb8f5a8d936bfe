"""The machine under the benchmarks: what it is, how busy others keep it, and where a real disk is mounted."""

import compileall
import os
import platform
import sysconfig
import tempfile
import time
from pathlib import Path
from typing import Any

from shakeout import settings

NO_DISK = frozenset({"tmpfs", "ramfs"})


def facts() -> dict[str, Any]:
    """What a reader of the figures has to know."""
    return {
        "taken": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "disk": file_system(disk()),
    }


def describe() -> str:
    """The same in a line."""
    known = facts()
    return (
        f"{known['cores']} cores, {known['memory_gib']} GiB, Linux {known['kernel']},"
        f" Python {known['python']}, disk {known['disk']}"
    )


def compile_ours() -> None:
    """Compile our sources and what they import, as the peers' are: nobody is measured compiling."""
    for directory in (Path("src"), Path(sysconfig.get_path("purelib"))):
        compileall.compile_dir(directory, quiet=2, workers=0)


def load() -> float:
    """Processes that ran or waited for a core, on average over the last minute; of others and of ours."""
    return os.getloadavg()[0]


def disk() -> Path:
    """The first of the usual places that is a real disk: what SHAKEOUT_HOME says, /var/tmp, the temporary directory, here."""
    places = (settings.read().home, Path("/var/tmp"), Path(tempfile.gettempdir()), Path.cwd())
    found = [place for place in places if place.is_dir() and file_system(place) not in NO_DISK]
    if not found:
        raise FileNotFoundError("no directory on a disk: set SHAKEOUT_HOME to one")
    return found[0]


def file_system(directory: Path) -> str:
    """The type of the file system that a directory is on."""
    table = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    holders = [(mount, kind) for _, mount, kind, *_ in table if directory.is_relative_to(mount)]
    return max(reversed(holders), key=lambda holder: len(holder[0]))[1]
