"""The terminal that `qd session shell` runs in: raw for the time of a block, and afterwards as it was, whatever a program has set there."""

import contextlib
import os
import re
import termios
import tty
from collections.abc import Iterator

_MODE = re.compile(rb"\x1b\[\?(\d+)([hl])")
_MODE_BYTES_MAX = 8
_CURSOR, _WRAP = b"25", b"7"
_USUALLY_ON = frozenset({_CURSOR, _WRAP})
_CLEAR = b"\x1b[H\x1b[2J\x1b[3J"
ROWS, COLUMNS = 24, 80
_MOST = 1000


class Screen:
    """Two descriptors of a terminal: where keys come from and where output goes."""

    def __init__(self, keys: int, output: int) -> None:
        self.keys = keys
        self._output = output
        self._changed: set[bytes] = set()
        self._tail = b""

    @contextlib.contextmanager
    def raw(self) -> Iterator[None]:
        """Interpret nothing that is typed or shown, for the time of a block."""
        before = termios.tcgetattr(self.keys)
        try:
            tty.setraw(self.keys, termios.TCSADRAIN)
            yield
        finally:
            with contextlib.suppress(termios.error):  # the window may be gone
                termios.tcsetattr(self.keys, termios.TCSADRAIN, before)
            with contextlib.suppress(OSError):
                self._write(self._undo())

    def size(self) -> tuple[int, int]:
        """Return how many rows and columns there are."""
        try:
            found = os.get_terminal_size(self._output)
        except OSError:
            return ROWS, COLUMNS
        return min(found.lines or ROWS, _MOST), min(found.columns or COLUMNS, _MOST)

    def read(self) -> bytes:
        """Return what was typed; nothing if the window is gone."""
        try:
            return os.read(self.keys, 4096)
        except OSError:
            return b""

    def show(self, data: bytes) -> None:
        """Show output as it is."""
        for mode, switch in _MODE.findall(self._tail + data):
            if (switch == b"h") == (mode in _USUALLY_ON):
                self._changed.discard(mode)
            else:
                self._changed.add(mode)
        self._tail = data[-_MODE_BYTES_MAX:]
        self._write(data)

    def clear(self) -> None:
        """Take everything away, for what is shown again from its beginning."""
        self.show(self._undo() + _CLEAR)

    def _undo(self) -> bytes:
        """Return what puts modes back that a program has changed: another screen, a hidden cursor, the mouse."""
        modes = (
            b"\x1b[?%s%s" % (mode, b"h" if mode in _USUALLY_ON else b"l")
            for mode in sorted(self._changed)
        )
        return b"".join(modes) + b"\x1b[0m"

    def _write(self, data: bytes) -> None:
        while data:
            data = data[os.write(self._output, data) :]
