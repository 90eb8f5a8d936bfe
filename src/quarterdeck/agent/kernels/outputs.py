"""The agent's ends of a kernel's stdout and stderr: drained as data arrives, remembered within bounds. Used by `process`."""

import asyncio
import os

from quarterdeck.agent.kernels.capture import Head, Tail

_READ_BYTES = 2**16
_DRAIN_READS_MAX = 16


class Output:
    """The read end of one pipe. Between `begin` and `end` its data also belongs to an execution."""

    def __init__(self, descriptor: int, log: Tail) -> None:
        os.set_blocking(descriptor, False)
        self._descriptor = descriptor
        self._log = log
        self._head: Head | None = None
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(descriptor, self._read)

    def begin(self) -> None:
        """Start an execution: what was written before it is not its output."""
        self._drain()
        self._head = Head()

    def end(self) -> Head:
        """Finish an execution and return its output: all that was written until now."""
        self._drain()
        head, self._head = self._head or Head(), None
        return head

    def close(self) -> None:
        """Take what is left and close the pipe."""
        self._drain()
        self._loop.remove_reader(self._descriptor)
        os.close(self._descriptor)

    def _drain(self) -> None:
        """Read what is there, with a bound: somebody may write without end."""
        for _ in range(_DRAIN_READS_MAX):
            if not self._read():
                return

    def _read(self) -> bool:
        """Read once; tell whether there was something."""
        try:
            piece = os.read(self._descriptor, _READ_BYTES)
        except BlockingIOError:
            return False
        if not piece:
            self._loop.remove_reader(self._descriptor)
            return False
        self._log.add(piece)
        if self._head is not None:
            self._head.add(piece)
        return True
