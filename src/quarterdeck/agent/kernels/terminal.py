"""A terminal in a kernel as its agent holds it: what the shell wrote last, for those who come later, and those who watch.

Nothing is lost to a viewer who is slow: the shell waits for it, as for any terminal.
"""

import asyncio
import contextlib
import fcntl
import os
import struct
import sys
import termios
from collections.abc import AsyncGenerator

from quarterdeck.agent.kernels import forkserver
from quarterdeck.agent.kernels.doorway import Entrance
from quarterdeck.agent.kernels.errors import TerminalFailed, TooManyViewers
from quarterdeck.base.tasks import Wake
from quarterdeck.wire import decode
from quarterdeck.wire.terminals import Size

KEPT_BYTES_MAX = 2**18
"""What a viewer who comes later sees of what was before."""
AHEAD_BYTES_MAX = 2**17
"""So far may the shell be ahead of a viewer."""
VIEWERS_MAX = 8
_READ_BYTES = 2**14
_LAST_READS_MAX = 6
"""Of a terminal whose kernel has ended: more than fits into one, and so much that a viewer who is behind loses nothing that is kept."""
_DOORWAY = "quarterdeck.agent.kernels.doorway"


class Terminal:
    """One terminal. Made by `open`; `ended` when its shell or its kernel is gone, or closed."""

    def __init__(self, master: int, kernel: int) -> None:
        """`kernel`: a descriptor of its process."""
        os.set_blocking(master, False)
        self.ended = False
        self._master = master
        self._kernel = kernel
        self._loop = asyncio.get_running_loop()
        self._kept = bytearray()
        self._start = 0
        self._viewers: dict[Wake, int] = {}
        self._typing = asyncio.Lock()
        self._room = Wake()
        self._reading = False
        self._resume()
        self._loop.add_reader(kernel, self._kernel_ended)

    @classmethod
    async def open(cls, entrance: Entrance, size: Size) -> "Terminal":
        """Start a shell in a kernel. Raises `TerminalFailed`."""
        with contextlib.ExitStack() as undoing:  # whoever is cancelled keeps nothing open, either
            kernel = _watched(entrance.pid)
            undoing.callback(os.close, kernel)
            master, slave = os.openpty()
            undoing.callback(os.close, master)
            try:
                _resize(master, size)
                await _enter(slave, entrance)
            finally:
                os.close(slave)
            undoing.pop_all()
        return cls(master, kernel)

    def resize(self, size: Size) -> None:
        """Change its size, and tell what runs in it."""
        if not self.ended:
            _resize(self._master, size)

    async def write(self, data: bytes) -> None:
        """Type something, when others have typed theirs; wait until the terminal takes it, or is closed."""
        async with self._typing:
            while data and not self.ended:
                try:
                    data = data[os.write(self._master, data) :]
                except BlockingIOError:
                    await self._writable()
                except OSError:
                    self.close()

    async def follow(self) -> AsyncGenerator[bytes, None]:
        """Give what is kept of what was written, and what comes, until the end. Raises `TooManyViewers`."""
        if len(self._viewers) >= VIEWERS_MAX:
            raise TooManyViewers
        wake = Wake()
        self._viewers[wake] = self._start
        try:
            while True:
                at = self._viewers[wake]
                piece = bytes(self._kept[at - self._start : at - self._start + _READ_BYTES])
                if piece:
                    yield piece
                    self._viewers[wake] = at + len(piece)
                    self._resume()
                elif self.ended:
                    return
                else:
                    await wake.wait()
        finally:
            del self._viewers[wake]
            self._resume()

    def close(self) -> None:
        """End it: its shell is hung up."""
        if self.ended:
            return
        self.ended = True
        self._pause()
        self._loop.remove_writer(self._master)
        self._loop.remove_reader(self._kernel)
        os.close(self._master)
        os.close(self._kernel)
        self._room.set()
        self._tell()

    async def _writable(self) -> None:
        self._loop.add_writer(self._master, self._room.set)
        try:
            await self._room.wait()
        finally:
            if not self.ended:
                self._loop.remove_writer(self._master)

    def _kernel_ended(self) -> None:
        """Read what is left of the shell, however far its viewers are behind, and close: who waits for one that does not read would not hear of the end."""
        for _ in range(_LAST_READS_MAX):
            if self.ended or not self._read():
                break
        self.close()

    def _read(self) -> bool:
        """Keep the next piece of what was written, and tell whether there was one."""
        try:
            piece = os.read(self._master, _READ_BYTES)
        except BlockingIOError:
            return False
        except OSError:  # EIO: nobody has the terminal open any more
            piece = b""
        if piece:
            self._keep(piece)
        else:
            self.close()
        return bool(piece)

    def _keep(self, piece: bytes) -> None:
        self._kept += piece
        surplus = len(self._kept) - KEPT_BYTES_MAX
        if surplus > 0:
            del self._kept[:surplus]
            self._start += surplus
        if self._ahead() > AHEAD_BYTES_MAX:
            self._pause()
        self._tell()

    def _ahead(self) -> int:
        """Return by how much the slowest viewer is behind."""
        end = self._start + len(self._kept)
        return max((end - at for at in self._viewers.values()), default=0)

    def _resume(self) -> None:
        if not self._reading and not self.ended and self._ahead() <= AHEAD_BYTES_MAX:
            self._reading = True
            self._loop.add_reader(self._master, self._read)

    def _pause(self) -> None:
        if self._reading:
            self._reading = False
            self._loop.remove_reader(self._master)

    def _tell(self) -> None:
        for wake in self._viewers:
            wake.set()


async def _enter(slave: int, entrance: Entrance) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-s", "-P", "-m", _DOORWAY, str(slave)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        pass_fds=[slave],
        env=forkserver.own_environment({}),
        cwd="/",
    )
    try:
        _, said = await process.communicate(decode.encode(entrance._asdict()))
    except BaseException:  # nobody waits for it any more, be it by cancellation
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        raise
    if process.returncode != 0:
        raise TerminalFailed(
            f"There is no terminal: {said.decode('utf-8', 'replace').strip()[-300:]}"
        )


def _watched(pid: int) -> int:
    """Return a descriptor of a kernel's process. Raises `TerminalFailed`."""
    try:
        return os.pidfd_open(pid)
    except ProcessLookupError:
        raise TerminalFailed("There is no terminal: the kernel has ended") from None


def _resize(master: int, size: Size) -> None:
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", size.rows, size.columns, 0, 0))
