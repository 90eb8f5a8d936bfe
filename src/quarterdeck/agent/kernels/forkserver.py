"""How an agent comes to its zygote: to the one that an earlier life of it left running, or to a new one. Used by `launcher`."""

import asyncio
import contextlib
import json
import logging
import os
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import quarterdeck
from quarterdeck.agent.kernels import channel, custody, door
from quarterdeck.agent.kernels.runner import Gift
from quarterdeck.agent.kernels.spec import ISOLATED, MARK, MARK_ROOM, PLAIN, TITLE_ROOM, KernelSpec

ZYGOTE = "quarterdeck.agent.kernels.zygote"
CONTAINERS = "quarterdeck.agent.kernels.oci.server"
"""The programs that fork kernels."""

_CREDENTIALS = struct.Struct("3i")

_log = logging.getLogger(__name__)


class Ends(NamedTuple):
    """The agent's ends of a kernel's channels."""

    control: socket.socket
    stdout: int
    stderr: int


class Server:
    """A zygote and the socket to it. `pid` is its process, `found`: it has been there before this agent."""

    def __init__(
        self, link: socket.socket, pid: int, process: "subprocess.Popen[bytes] | None"
    ) -> None:
        self.link = link
        self.pid = pid
        self._process = process
        self._handle = os.pidfd_open(pid)
        os.set_blocking(link.fileno(), False)

    @property
    def found(self) -> bool:
        """Whether it has been there before this agent."""
        return self._process is None

    def kill(self) -> None:
        """Kill it, and every kernel with it."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._handle, signal.SIGKILL)

    def leave(self) -> None:
        """Let it go on without this agent."""
        self.link.close()
        os.close(self._handle)
        if self._process is not None:
            self._process.returncode = 0  # nobody of this life waits for it
            self._process = None

    async def ended(self) -> None:
        """Return when it has ended; the socket is closed then."""
        self.link.close()
        loop, over = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(self._handle, over.set)
        try:
            await over.wait()
        finally:
            loop.remove_reader(self._handle)
            os.close(self._handle)
        if self._process is not None:
            self._process.wait()


def reach(place: Path) -> Server | None:
    """Return the zygote that listens in a directory; None: there is none of our user."""
    link = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        with _short(place) as path:
            link.connect(path)
        pid, uid, _ = _CREDENTIALS.unpack(
            link.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        )
        if uid == os.geteuid():
            return Server(link, pid, None)
    except OSError as error:
        if not isinstance(error, (FileNotFoundError, ConnectionRefusedError)):
            _log.warning("zygote-unreachable", extra={"error": str(error)})
    link.close()
    return None


def launch(environment: Mapping[str, str], *, isolate: bool, program: str = ZYGOTE) -> Server:
    """Launch a zygote. `environment`: what its process carries besides; `isolate=False`: no namespaces even where they are allowed."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        process = subprocess.Popen(
            [
                *(sys.executable, "-s", "-P", "-m", program, str(theirs.fileno())),
                *(ISOLATED if isolate else PLAIN, TITLE_ROOM),
            ],
            pass_fds=[theirs.fileno()],
            cwd="/",
            env=own_environment(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
    return Server(ours, process.pid, process)


def make_door(server: Server, place: Path, orphan_seconds: float) -> None:
    """Have a zygote outlive its agent by some seconds, to be found in a directory. Raises OSError."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET))
        (place / door.NAME).unlink(missing_ok=True)
        listener.bind(stack.enter_context(_short(place)))
        directory = os.open(place, os.O_DIRECTORY | os.O_RDONLY | os.O_CLOEXEC)
        stack.callback(os.close, directory)
        message = json.dumps({"door": orphan_seconds}).encode()
        socket.send_fds(server.link, [message], [listener.fileno(), directory])


def written(spec: KernelSpec) -> int:
    """Return a descriptor of a file in memory that holds a spec. Raises OSError."""
    file = os.memfd_create("kernel-spec", os.MFD_CLOEXEC)
    try:
        os.write(file, spec.encode())
    except OSError:
        os.close(file)
        raise
    return file


def channels(given: KernelSpec | int) -> tuple[Ends, tuple[int, ...]]:
    """Return the agent's ends of a kernel's channels, and what the zygote gets: a `Gift`, and a copy of the ends to keep.

    What is given is the spec, or a descriptor of where it is learnt. Raises OSError; nothing is open then, nor is that descriptor.
    """
    opened = [given if isinstance(given, int) else written(given)]
    try:
        opened += (one.detach() for one in channel.pair())
        opened += os.pipe()
        opened += os.pipe()
        spec, ours, theirs, stdout, out, stderr, err = opened
        for end in (ours, stdout, stderr):
            opened.append(os.dup(end))
    except OSError:
        for descriptor in opened:
            os.close(descriptor)
        raise
    control = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET, fileno=ours)
    return Ends(control, stdout, stderr), (*Gift(spec, theirs, out, err), *opened[-custody.ENDS :])


@contextlib.contextmanager
def _short(place: Path) -> Iterator[str]:
    """Give the path of a directory's socket in few bytes: a socket's address has room for a hundred."""
    directory = os.open(place, os.O_DIRECTORY | os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{directory}/{door.NAME}"
    finally:
        os.close(directory)


def own_environment(more: Mapping[str, str]) -> dict[str, str]:
    """Return the zygote's environment: nothing of the agent's secrets, the way to this very package, room for the mark."""
    return {
        **more,
        "PATH": search_path(),
        "LANG": "C.UTF-8",
        "PYTHONPATH": os.pathsep.join(_import_path()),
        MARK: MARK_ROOM,
    }


def search_path() -> str:
    """Return PATH for a kernel: this interpreter's programs first."""
    return f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin"


def _import_path() -> list[str]:
    """Return where this process imports from, without what every run of the same interpreter finds by itself."""
    root = Path(quarterdeck.__file__).absolute().parent.parent
    own = (sys.prefix, sys.base_prefix, sys.exec_prefix)
    others = [str(Path(entry).absolute()) for entry in sys.path if entry]
    return [str(root), *(entry for entry in others if not entry.startswith(own))]
