"""A kernel in a container: has runc make it, gives it its channels, and ends as it ends. Used by `process`, in namespaces of its own.

Mounted are the image's tree, the kernel's directory and its folders, each shown as owned by the kernel's own user.
"""

import os
import shutil
import signal
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from quarterdeck.agent.kernels import binds, channel, linux, namespaces, spec
from quarterdeck.agent.kernels.oci import bundle, cgroups, runc, shell
from quarterdeck.agent.kernels.oci.bundle import BYTECODE, GIVEN, Staged
from quarterdeck.agent.kernels.oci.runc import Runc
from quarterdeck.agent.kernels.owners import Owner
from quarterdeck.agent.kernels.runner import Gift
from quarterdeck.agent.kernels.spec import KernelSpec, SetUpFailed

GROUP_FILE = "group"
"""In the directory of a kernel whose container waited for it: the name of its control group, which is not the kernel's."""

LIMIT_FILE = "limit"
"""In a kernel's directory: the limit that ended it, in words."""

COMPILED = "bytecode"
"""In the directory of a container that compiles for others: what it has compiled."""

CONTROL = 3
"""The descriptor of the control channel in a container."""

_ENTRY = f"{GIVEN}/quarterdeck/agent/kernels/oci/entry.py"
PYTHON = ("python3", "-s")
SHELL = ("/bin/sh", "-c", shell.PROGRAM)
SHELL_THAT_WAITS = ("/bin/sh", "-c", shell.WAITING)

_STAGES = ("/mnt", "/media", "/srv")
"""Where the parts are put together, in a mount namespace where nobody else looks: the first that is there."""

_PACKAGE = Path(__file__).parent.parent


class Container:
    """A container to be made. `host` is a descriptor of the /proc in which the agent sees its processes."""

    def __init__(
        self, kernel: KernelSpec, owner: Owner, program: Runc, host: int, *, waits: bool = False
    ) -> None:
        """Take what to make. `waits`: it becomes a kernel later. Raises `SetUpFailed`."""
        if kernel.image is None:
            raise SetUpFailed("kernel-failed", "There is no image")
        self.kernel = kernel
        self.owner = owner
        self.group = f"{kernel.image.group}/{kernel.id}" if kernel.image.group else ""
        self.pid = 0
        self.orders = -1
        """Our end of the stdin of what waits."""
        self._image = kernel.image
        self._runc = program
        self._host = host
        self._waits = waits
        self._seen = 0
        self._streams: shell.Streams | None = None

    @property
    def directory(self) -> Path:
        """The kernel's directory."""
        return Path(self.kernel.directory)

    def make(self, gift: Gift, control: socket.socket) -> None:
        """Make the container and start it. Raises `SetUpFailed`, OSError."""
        self._make_directory()
        arguments = self._arguments()
        descriptors = self._descriptors(gift, control)
        configuration = bundle.config(
            self.kernel, self._stage(), self.owner, arguments=arguments, group=self.group
        )
        os.sched_setaffinity(0, self.kernel.cores)
        self.pid = self._runc.create(configuration, descriptors)
        self._seen = self._host_pid()
        (self.directory / spec.PID_FILE).write_text(str(self._seen))
        for one in {*descriptors} - {-1, control.fileno()}:
            os.close(one)
        self._runc.start()

    def serve(self, control: socket.socket) -> NoReturn:
        """Let the agent and what runs in the container speak with each other, and end as that ends. Raises OSError."""
        if self._streams is not None:
            shell.Shell(control, self._streams, self.directory / "given").serve(self._seen)
        elif self.kernel.command:
            channel.send(control, {"started": self._seen})
        control.close()
        self._end_as(runc.wait_for(self.pid))

    def write_names(self) -> None:
        """Write what the kernel knows of names, its own and others. Raises OSError."""
        given = self.directory / "given"
        (given / "hosts").write_text(self.kernel.hosts_file())
        (given / "hostname").write_text(f"{self.kernel.hostname}\n")

    def _descriptors(self, gift: Gift, control: socket.socket) -> Sequence[int]:
        """Return what the container has from descriptor 0 on; -1: nothing."""
        stdin = -1
        if self._waits:
            ours, theirs = socket.socketpair()
            self.orders, stdin = ours.detach(), theirs.detach()
        if not self.runs_shell:
            return [stdin, gift.stdout, gift.stderr, control.fileno()]
        self._streams = streams = shell.Streams.open(stdin, self.orders)
        return [streams.stdin, gift.stdout, gift.stderr, streams.answers]

    @property
    def runs_shell(self) -> bool:
        """Whether the image's shell is the kernel."""
        return not self.kernel.command and self._image.runtime == spec.SHELL

    def _arguments(self) -> Sequence[str]:
        if self.kernel.command:
            return self.kernel.command
        if self._image.runtime == spec.COMMAND:
            raise SetUpFailed(
                "kernel-failed", "The image runs commands only: it is for batch sessions"
            )
        if self.runs_shell:
            return SHELL_THAT_WAITS if self._waits else SHELL
        compiled = ("-X", f"pycache_prefix={BYTECODE}") if self._image.bytecode else ()
        reads = () if self._compiles else ("-B",)
        waits = ("waiting",) if self._waits else ()
        return (*PYTHON, *reads, *compiled, _ENTRY, *waits, spec.TITLE_ROOM)

    @property
    def _compiles(self) -> bool:
        return self._image.bytecode == f"{self.kernel.directory}/{COMPILED}"

    def _make_directory(self) -> None:
        if self.kernel.again:
            self._remove_remains()
        else:
            self.directory.mkdir(mode=0o700)
        for name in ("work", "upper", "overlay", "bundle", "runc"):
            (self.directory / name).mkdir(mode=0o755, exist_ok=self.kernel.again)
        given = self.directory / "given"
        (given / "quarterdeck" / "agent" / "kernels").mkdir(mode=0o755, parents=True)
        (given / "bytecode").mkdir(mode=0o755)
        if self._compiles:
            (self.directory / COMPILED).mkdir(mode=0o755)
        self.write_names()
        (given / "resolv.conf").touch()

    def _remove_remains(self) -> None:
        """Remove what the container left that ran here before; what its user made stays."""
        for name in (LIMIT_FILE, GROUP_FILE):
            (self.directory / name).unlink(missing_ok=True)
        for name in ("overlay", "bundle", "runc", "given"):
            shutil.rmtree(self.directory / name, ignore_errors=True)

    def _stage(self) -> Staged:
        """Put the parts of the container where runc finds them. Raises `SetUpFailed`, OSError."""
        base = next(one for one in _STAGES if Path(one).is_dir())
        linux.mount("stage", base, "tmpfs", linux.MS_NOSUID | linux.MS_NODEV, "size=64k,mode=755")
        for name in ("root", "package"):
            Path(base, name).mkdir()
        folders = []
        for at, bind in enumerate(self.kernel.binds):
            namespaces.make_below(self.directory / "work", bind.path)
            with binds.source(bind) as source:
                folders.append(self._show(source, f"{base}/folder{at}", bind.path))
        return Staged(
            tree=self._show(self._image.tree, f"{base}/tree", "the image"),
            directory=self._show(self.kernel.directory, f"{base}/directory", "its directory"),
            package=self._show(str(_PACKAGE), f"{base}/package", "the runner"),
            folders=folders,
            bytecode=self._staged_bytecode(base),
            root=f"{base}/root",
        )

    def _staged_bytecode(self, base: str) -> str:
        if self._compiles:
            return f"{base}/directory/{COMPILED}"
        if not self._image.bytecode or self.runs_shell or not Path(self._image.bytecode).is_dir():
            return ""
        return self._show(self._image.bytecode, f"{base}/bytecode", "compiled modules")

    def _show(self, source: str | int, target: str, name: str) -> str:
        """Show a directory at a path, as owned by the kernel's user; return the path. Raises `SetUpFailed`."""
        Path(target).mkdir(exist_ok=True)
        try:
            tree = linux.open_tree(source)
            if self.owner.mapping >= 0:
                linux.map_owners(tree, self.owner.mapping)
            linux.move_mount(tree, target)
        except OSError as error:
            raise SetUpFailed("mount-failed", f"{name}: {error.strerror}") from error
        os.close(tree)
        return target

    def _host_pid(self) -> int:
        """Return the container's pid as the agent sees it: it is the only child of this process."""
        own = os.readlink("self", dir_fd=self._host)
        path = f"{own}/task/{own}/children"
        with open(os.open(path, os.O_RDONLY | os.O_CLOEXEC, dir_fd=self._host)) as file:  # noqa: PTH123 - below a descriptor
            return int(file.read().split()[0])

    def _end_as(self, status: int) -> NoReturn:
        """End in the same way, and leave in words which limit it was. What remains of the container is removed."""
        words = self._limit_hit(status)
        if words:
            (self.directory / LIMIT_FILE).write_text(words)
        if os.WIFSIGNALED(status):
            number = os.WTERMSIG(status)
            if number != signal.SIGKILL:
                signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
            signal.pause()
        os._exit(os.WEXITSTATUS(status))

    def _limit_hit(self, status: int) -> str:
        if not self.group or not os.WIFSIGNALED(status) or os.WTERMSIG(status) != signal.SIGKILL:
            return ""
        if not cgroups.out_of_memory(self.group):
            return ""
        return f"killed: memory limit {self.kernel.memory_bytes // 2**20} MiB"
