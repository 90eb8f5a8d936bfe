"""A terminal of 80 columns with a program in it: what a person types and sees. Escape sequences are kept as they came.

with Terminal([sys.executable, "-m", "quarterdeck.cli", "session", "ls"], environment, directory) as terminal:
    await terminal.shows("RUNNING")
    terminal.types("exit\\n")
    assert await terminal.ended() == 0
"""

import asyncio
import fcntl
import os
import pty
import re
import signal
import struct
import termios
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

COLUMNS, LINES = 80, 24
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """Runs a program in a pseudo-terminal of its own session."""

    def __init__(
        self, argv: Sequence[str], environment: Mapping[str, str], directory: Path
    ) -> None:
        self._argv = list(argv)
        self._environment = dict(environment)
        self._directory = directory
        self._seen = bytearray()
        self._grown = asyncio.Event()
        self._over = False
        self.pid = 0
        self._end = -1

    async def __aenter__(self) -> Self:
        """Start it."""
        self._end, other = pty.openpty()
        self.resize(COLUMNS, LINES)
        self._process = await asyncio.create_subprocess_exec(
            *self._argv,
            stdin=other,
            stdout=other,
            stderr=other,
            cwd=self._directory,
            env=self._environment,
            start_new_session=True,
            preexec_fn=_take_terminal,
        )
        os.close(other)
        self.pid = self._process.pid
        os.set_blocking(self._end, False)
        asyncio.get_running_loop().add_reader(self._end, self._read)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End it if it still runs."""
        if self._process.returncode is None:
            self._process.kill()
            await self._process.wait()
        asyncio.get_running_loop().remove_reader(self._end)
        os.close(self._end)

    @property
    def text(self) -> str:
        """All that was shown, without colours and movements."""
        return _ESCAPES.sub("", self.raw)

    @property
    def raw(self) -> str:
        """All that was shown, as it came."""
        return self._seen.decode(errors="replace")

    async def shows(self, words: str, *, within: float = 15) -> str:
        """Wait until it has shown some words; return all that came. Raises TimeoutError with what came instead."""
        try:
            async with asyncio.timeout(within):
                while words not in self.text and not self._over:
                    self._grown.clear()
                    await self._grown.wait()
        except TimeoutError as error:
            raise TimeoutError(f"no {words!r} in {self.text!r}") from error
        if words not in self.text:
            raise EOFError(f"no {words!r} in {self.text!r}")
        return self.text

    def types(self, text: str) -> None:
        """Type."""
        os.write(self._end, text.encode())

    def interrupts(self) -> None:
        """Type Ctrl-C."""
        self.types("\x03")

    def resize(self, columns: int, lines: int) -> None:
        """Change the size of the window."""
        fcntl.ioctl(self._end, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def forget(self) -> None:
        """Look only at what comes from now on."""
        self._seen.clear()

    async def ended(self, *, within: float = 15) -> int:
        """Wait for its end; return its exit code."""
        try:
            async with asyncio.timeout(within):
                code = await self._process.wait()
                while not self._over:
                    self._grown.clear()
                    await self._grown.wait()
        except TimeoutError as error:
            raise TimeoutError(f"it has not ended: {self.text!r}") from error
        return code

    def _read(self) -> None:
        try:
            data = os.read(self._end, 64 * 1024)
        except BlockingIOError:  # Ctrl-C has thrown away what was there to read
            return
        except OSError:
            data = b""
        if data:
            self._seen += data
        else:
            self._over = True
            asyncio.get_running_loop().remove_reader(self._end)
        self._grown.set()


def _take_terminal() -> None:
    """Make the terminal the one that controls this session, so that Ctrl-C and changes of size reach it."""
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
