"""What a Python in a container shows to those who look at its process from outside: the run that it runs. Used by `entry`.

As `linux.Mark` does, but an image's Python may lack ctypes: the text is written by way of /proc. Standard library only.
"""

import os
import sys

_ARGUMENTS_END = 46
"""Field 49 of /proc/<pid>/stat, counted from the third."""


class Title:
    """The last argument of this process's program, replaced in place."""

    def __init__(self) -> None:
        with open("/proc/self/stat") as file:  # noqa: PTH123 - the fewer imports the faster
            text = file.read()
        end = int(text[text.rindex(")") + 2 :].split()[_ARGUMENTS_END]) - 1
        self._room = len(sys.orig_argv[-1].encode())
        self._at = end - self._room
        self._memory = os.open("/proc/self/mem", os.O_RDWR | os.O_CLOEXEC)

    def show(self, run: str) -> None:
        """Show a run, or none. Raises OSError."""
        text = f"kernel here run {run}" if run else "kernel here"
        os.pwrite(self._memory, text.encode()[: self._room].ljust(self._room), self._at)
