"""What the agent tells the zygote of a kernel to make, and how a kernel's process may end. Standard library only: the zygote is small."""

import json
import os
import signal
from dataclasses import dataclass, field
from typing import Any

from quarterdeck.agent.kernels.serving import EXIT_CHANNEL_LOST

MARK = "QD_KERNEL_ID"
"""The environment variable by which every process of a kernel is known; its value is the kernel's id."""

MARK_ROOM = " " * 36
"""Its value in a process that is no kernel yet."""

PLAIN, ISOLATED = "plain", "isolated"
"""The zygote's argument: kernels with or without namespaces."""

TITLE_ROOM = " " * 96
"""The zygote's last argument, in whose place its processes show what they are."""

PID_FILE = "given/pid"
"""In the directory of a kernel in a container: its pid as the agent sees it, written before anything of the image runs."""

WORK = "work"
"""The part of a kernel's directory that is its working directory and HOME."""

TEMPORARY = "tmp"
"""The part of a kernel's directory for temporary files."""

OWN_ADDRESS = "127.0.1.1"
"""At which a kernel finds itself by its name."""

PYTHON, SHELL, COMMAND = "python", "shell", "command"
RUNTIMES = (PYTHON, SHELL, COMMAND)
"""What runs in an image: our interpreter in its Python, its /bin/sh, or nothing but commands."""

EXIT_NOT_EXECUTABLE, EXIT_NOT_FOUND = 126, 127
"""Exit codes of a kernel whose command cannot be run, as shells have them."""


@dataclass(frozen=True)
class Bind:
    """A directory of the host that a kernel sees at a path below its working directory; with `subpath` one below the source."""

    source: str
    path: str
    read_only: bool = False
    subpath: str | None = None


@dataclass(frozen=True)
class Image:
    """The image whose files a kernel sees: the tree of them, which nobody may write, what runs in it (`RUNTIMES`), its variables.

    `group` is the control group below which the kernel's is made; empty: this machine has none for the agent. `bytecode` is a directory where
    the image's Python finds what it would compile at each start; one in the kernel's own directory it writes; empty: there is none.
    """

    tree: str
    runtime: str
    environment: dict[str, str] = field(default_factory=dict)
    group: str = ""
    bytecode: str = ""


CONTAINER_WORK = "/work"
"""The working directory and HOME of a kernel in a container."""

CONTAINER_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""PATH in an image that says nothing of it."""


def container_environment(image: Image) -> dict[str, str]:
    """Return the variables of a kernel in an image that asks for none."""
    own = {"PATH": CONTAINER_PATH, "LANG": "C.UTF-8", "HOME": CONTAINER_WORK, "TMPDIR": "/tmp"}
    return own | image.environment


@dataclass(frozen=True)
class KernelSpec:
    """A kernel to make. `directory` is made by the kernel itself; `cores` are numbers of cores of this machine."""

    id: str
    directory: str
    environment: dict[str, str]
    binds: tuple[Bind, ...]
    cores: tuple[int, ...]
    memory_bytes: int
    open_files: int = 4096
    file_bytes: int = 64 * 2**30
    command: tuple[str, ...] = ()
    """The program that the kernel becomes, with its arguments; without one it is an interpreter."""
    hostname: str = "kernel"
    hosts: dict[str, str] = field(default_factory=dict)
    """Addresses by the names that it knows besides `localhost` and its own."""
    processes: int = 0
    """How many processes and threads it may have, where it has a user of its own; 0: any number."""
    image: Image | None = None
    """None: it sees the programs of this machine."""
    again: bool = False
    """Its directory is there: made in advance, or, when it has run before, with what its user made of it."""

    def hosts_file(self) -> str:
        """Return what its /etc/hosts has."""
        own = f"127.0.0.1 localhost\n::1 localhost\n{OWN_ADDRESS} {self.hostname}\n"
        return own + "".join(f"{address} {name}\n" for name, address in self.hosts.items())

    def encode(self) -> bytes:
        """Return the spec as JSON."""
        return json.dumps(self, default=vars).encode()

    @classmethod
    def read(cls, descriptor: int) -> "KernelSpec":
        """Read a file of what `encode` wrote, into no larger a buffer: that would be mapped and unmapped. Raises OSError."""
        return cls.decode(json.loads(os.pread(descriptor, os.fstat(descriptor).st_size, 0)))

    @classmethod
    def decode(cls, message: dict[str, Any]) -> "KernelSpec":
        """Read what `encode` wrote, parsed."""
        binds = tuple(Bind(**bind) for bind in message["binds"])
        cores, command = tuple(message["cores"]), tuple(message["command"])
        image = Image(**message["image"]) if message["image"] else None
        parsed = {"binds": binds, "cores": cores, "command": command, "image": image}
        return cls(**message | parsed)


class SetUpFailed(Exception):
    """A kernel cannot be set up as asked."""

    def __init__(self, code: str, detail: str) -> None:
        """`code` is a stable code of a problem."""
        super().__init__(detail)
        self.code = code
        self.detail = detail


@dataclass(frozen=True)
class Exit:
    """How a kernel's process ended; no code and no signal: it was killed together with all its processes, for a `reason` if one is known."""

    code: int | None = None
    signal: int | None = None
    reason: str | None = None

    @classmethod
    def from_status(cls, status: int) -> "Exit":
        """Read the status that waitpid gives."""
        if os.WIFSIGNALED(status):
            return cls(signal=os.WTERMSIG(status))
        return cls(code=os.WEXITSTATUS(status))

    def __str__(self) -> str:
        if self.reason is not None:
            return self.reason
        if self.signal is not None:
            return f"killed by signal {self.signal} ({_signal_name(self.signal)})"
        if self.code == EXIT_CHANNEL_LOST:
            return "ended because its code closed the kernel's control channel"
        if self.code is not None:
            return f"exited with code {self.code}"
        return "killed with all its processes"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "unknown"
