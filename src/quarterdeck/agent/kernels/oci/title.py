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

    def show(self, run: str) -> None:
        """Show a run, or none. Nothing changes while the user's code has all descriptors that there may be."""
        text = f"kernel here run {run}" if run else "kernel here"
        try:
            memory = os.open("/proc/self/mem", os.O_WRONLY | os.O_CLOEXEC)
        except OSError:
            return
        try:
            os.pwrite(memory, text.encode()[: self._room].ljust(self._room), self._at)
        finally:
            os.close(memory)
