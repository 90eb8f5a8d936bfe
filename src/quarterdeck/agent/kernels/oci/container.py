"""A kernel in a container: has runc make it, gives it its channels, and ends as it ends. Forked by `server`, under a `supervisor`.

In its own mount and pid namespace: what is mounted here is gone with it. Mounted are the image's tree, the kernel's directory and its
folders, each shown as owned by the kernel's own user. Killing the supervisor kills all of it; what is left then are runc's notes in
the kernel's directory and empty control groups.
"""

import itertools
import json
import os
import shutil
import signal
import socket
from collections.abc import Sequence
from fcntl import F_DUPFD_CLOEXEC, fcntl
from pathlib import Path
from typing import NoReturn

from quarterdeck.agent.kernels import binds, channel, linux, namespaces, runner, serving, spec
from quarterdeck.agent.kernels.oci import bundle, cgroups, shell
from quarterdeck.agent.kernels.oci.bundle import GIVEN, Staged
from quarterdeck.agent.kernels.owners import Owner
from quarterdeck.agent.kernels.runner import Gift
from quarterdeck.agent.kernels.spec import KernelSpec, SetUpFailed

LIMIT_FILE = "limit"
"""In a kernel's directory: the limit that ended it, in words."""

CONTROL = 3
"""The descriptor of the control channel in a container."""

_ENTRY = f"{GIVEN}/quarterdeck/agent/kernels/oci/entry.py"
PYTHON = ("python3", "-s", "-B", _ENTRY, spec.TITLE_ROOM)
SHELL = ("/bin/sh", "-c", shell.PROGRAM)

_STAGES = ("/mnt", "/media", "/srv")
"""Where the parts are put together, in a mount namespace where nobody else looks: the first that is there."""

_PACKAGE = Path(__file__).parent.parent
_NAME = "kernel"
"""What runc calls the container, in a directory of its own."""


def main(link: int, owner: Owner, runc: str) -> NoReturn:
    """Wait for a gift on `link`, then be that kernel until it ends."""
    keep = (link, *((owner.mapping,) if owner.mapping >= 0 else ()))
    for first, last in itertools.pairwise((2, *sorted(keep))):
        os.closerange(first + 1, last)
    host = os.open("/proc", os.O_PATH | os.O_CLOEXEC)
    _prepare()
    gift = _wait(link)
    control = socket.socket(fileno=gift.control)
    try:
        kernel = KernelSpec.decode(json.loads(os.pread(gift.spec, runner.SPEC_BYTES_MAX, 0)))
        Container(kernel, owner, runc, host).run(gift, control)
    except SetUpFailed as error:
        channel.send(control, {"refused": error.code, "detail": error.detail})
    except OSError as error:
        channel.send(control, {"refused": "kernel-failed", "detail": str(error)})
    os._exit(1)


class Container:
    """A container to be made. `host` is a descriptor of the /proc in which the agent sees its processes."""

    def __init__(self, kernel: KernelSpec, owner: Owner, runc: str, host: int) -> None:
        """Take what to make. Raises `SetUpFailed`."""
        if kernel.image is None:
            raise SetUpFailed("kernel-failed", "There is no image")
        self._kernel = kernel
        self._image = kernel.image
        self._owner = owner
        self._runc = runc
        self._group = f"{kernel.image.group}/{kernel.id}" if kernel.image.group else ""
        self._host = host
        self._directory = Path(kernel.directory)

    def run(self, gift: Gift, control: socket.socket) -> NoReturn:
        """Make the container, start it, and end as it ends. Raises `SetUpFailed`, OSError."""
        self._make_directory()
        streams = shell.Streams.open() if self._runs_shell else None
        arguments = self._arguments()
        configuration = bundle.config(
            self._kernel, self._stage(), self._owner, arguments=arguments, group=self._group
        )
        (self._directory / "bundle" / "config.json").write_text(json.dumps(configuration))
        descriptors = (
            [streams.stdin, gift.stdout, gift.stderr, streams.answers]
            if streams
            else [-1, gift.stdout, gift.stderr, control.fileno()]
        )
        os.sched_setaffinity(0, self._kernel.cores)
        self._create(descriptors)
        pid, seen = self._pid(), self._host_pid()
        (self._directory / spec.PID_FILE).write_text(str(seen))
        os.close(gift.stdout)
        os.close(gift.stderr)
        self._execute("start", _NAME)
        if streams is not None:
            shell.Shell(control, streams, self._directory / "given").serve(seen)
        elif self._kernel.command:
            channel.send(control, {"started": seen})
        control.close()
        self._end_as(_wait_for(pid))

    @property
    def _runs_shell(self) -> bool:
        return not self._kernel.command and self._image.runtime == spec.SHELL

    def _arguments(self) -> Sequence[str]:
        if self._kernel.command:
            return self._kernel.command
        if self._image.runtime == spec.COMMAND:
            raise SetUpFailed(
                "kernel-failed", "The image runs commands only: it is for batch sessions"
            )
        return SHELL if self._runs_shell else PYTHON

    def _make_directory(self) -> None:
        if self._kernel.again:
            self._remove_remains()
        else:
            self._directory.mkdir(mode=0o700)
        for name in ("work", "upper", "overlay", "bundle", "runc"):
            (self._directory / name).mkdir(mode=0o755, exist_ok=self._kernel.again)
        given = self._directory / "given"
        (given / "quarterdeck" / "agent" / "kernels").mkdir(mode=0o755, parents=True)
        host = self._kernel.hostname
        (given / "hosts").write_text(self._kernel.hosts_file())
        (given / "hostname").write_text(f"{host}\n")
        (given / "resolv.conf").touch()

    def _remove_remains(self) -> None:
        """Remove what the container left that ran here before; what its user made stays."""
        (self._directory / LIMIT_FILE).unlink(missing_ok=True)
        for name in ("overlay", "bundle", "runc", "given"):
            shutil.rmtree(self._directory / name, ignore_errors=True)

    def _stage(self) -> Staged:
        """Put the parts of the container where runc finds them. Raises `SetUpFailed`, OSError."""
        base = next(one for one in _STAGES if Path(one).is_dir())
        linux.mount("stage", base, "tmpfs", linux.MS_NOSUID | linux.MS_NODEV, "size=64k,mode=755")
        for name in ("root", "package"):
            Path(base, name).mkdir()
        folders = []
        for at, bind in enumerate(self._kernel.binds):
            namespaces.make_below(self._directory / "work", bind.path)
            with binds.source(bind) as source:
                folders.append(self._show(source, f"{base}/folder{at}", bind.path))
        return Staged(
            tree=self._show(self._image.tree, f"{base}/tree", "the image"),
            directory=self._show(self._kernel.directory, f"{base}/directory", "its directory"),
            package=self._show(str(_PACKAGE), f"{base}/package", "the runner"),
            folders=folders,
            root=f"{base}/root",
        )

    def _show(self, source: str | int, target: str, name: str) -> str:
        """Show a directory at a path, as owned by the kernel's user; return the path. Raises `SetUpFailed`."""
        Path(target).mkdir(exist_ok=True)
        try:
            tree = linux.open_tree(source)
            if self._owner.mapping >= 0:
                linux.map_owners(tree, self._owner.mapping)
            linux.move_mount(tree, target)
        except OSError as error:
            raise SetUpFailed("mount-failed", f"{name}: {error.strerror}") from error
        os.close(tree)
        return target

    def _create(self, descriptors: Sequence[int]) -> None:
        bundle_ = str(self._directory / "bundle")
        pid_file = str(self._directory / "bundle" / "pid")
        self._execute(
            *("create", "--preserve-fds", "1", "--bundle", bundle_, "--pid-file", pid_file, _NAME),
            descriptors=descriptors,
        )

    def _execute(self, *arguments: str, descriptors: Sequence[int] = (-1, -1, -1)) -> None:
        """Have runc do something. Raises `SetUpFailed` with its own words."""
        log = self._directory / "bundle" / "log"
        state = str(self._directory / "runc")
        argv = (self._runc, "--root", state, "--log", str(log), "--log-format", "json", *arguments)
        null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
        given = [(null if one < 0 else one) for one in descriptors]
        actions = [(os.POSIX_SPAWN_DUP2, one, at) for at, one in enumerate(given)]
        child = os.posix_spawn(self._runc, argv, {"PATH": os.defpath}, file_actions=actions)
        os.close(null)
        if _wait_for(child) != 0:
            raise SetUpFailed("kernel-failed", _in_words(log.read_text()))

    def _pid(self) -> int:
        return int((self._directory / "bundle" / "pid").read_text())

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
            (self._directory / LIMIT_FILE).write_text(words)
        if os.WIFSIGNALED(status):
            number = os.WTERMSIG(status)
            if number != signal.SIGKILL:
                signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
            signal.pause()
        os._exit(os.WEXITSTATUS(status))

    def _limit_hit(self, status: int) -> str:
        if not self._group or not os.WIFSIGNALED(status) or os.WTERMSIG(status) != signal.SIGKILL:
            return ""
        if not cgroups.out_of_memory(self._group):
            return ""
        return f"killed: memory limit {self._kernel.memory_bytes // 2**20} MiB"


def _prepare() -> None:
    """Do all that needs no spec."""
    os.setsid()
    os.umask(0o022)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    linux.set_name("qd-container")
    linux.prctl(linux.PR_SET_CHILD_SUBREAPER, 1)
    linux.unshare(linux.CLONE_NEWNS)
    linux.mount("none", "/", None, linux.MS_REC | linux.MS_PRIVATE)
    linux.mount("proc", "/proc", "proc", linux.MS_NOSUID | linux.MS_NODEV | linux.MS_NOEXEC)


def _wait(link: int) -> Gift:
    with socket.socket(fileno=link) as inbox:
        _, given, _, _ = socket.recv_fds(inbox, 1, len(Gift._fields))
    if not given:
        os._exit(0)
    return Gift(*(fcntl(one, F_DUPFD_CLOEXEC, serving.DESCRIPTOR_FIRST) for one in given))


def _wait_for(pid: int) -> int:
    """Reap until a process has ended, and return its wait status."""
    while True:
        ended, status = os.waitpid(-1, 0)
        if ended == pid:
            return status


def _in_words(log: str) -> str:
    """Return the last thing that runc has said, without what every error of it begins with."""
    lines = [line for line in log.splitlines() if line]
    said = str(json.loads(lines[-1])["msg"]) if lines else "runc ended without a word"
    for part in (
        "runc create failed: ",
        "unable to start container process: ",
        "error during container init: ",
    ):
        said = said.removeprefix(part)
    return said
