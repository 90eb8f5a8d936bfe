"""The agent's ends of a kernel's stdout and stderr: drained as data arrives, remembered within bounds. Used by `process`."""

import asyncio
import codecs
import os
from typing import Protocol

from quarterdeck.agent.kernels.capture import Tail
from quarterdeck.agent.kernels.record import Kind

_READ_BYTES = 2**16
_DRAIN_READS_MAX = 16
_UTF8 = codecs.getincrementaldecoder("utf-8")


class Sink(Protocol):
    """Whoever takes the output of a run."""

    def write(self, kind: Kind, text: str) -> None:
        """Take text of a stream."""
        ...


class Output:
    """The read end of one pipe. Between `begin` and `end` its data also belongs to a run.

    What is not UTF-8 becomes U+FFFD; a character that comes in two pieces is whole.
    """

    def __init__(self, descriptor: int, kind: Kind, log: Tail) -> None:
        os.set_blocking(descriptor, False)
        self._descriptor = descriptor
        self._kind = kind
        self._log = log
        self._sink: Sink | None = None
        self._decoder = _UTF8("replace")
        self._loop = asyncio.get_running_loop()
        self._watched = True
        self._loop.add_reader(descriptor, self._read)

    def begin(self, sink: Sink, *, fresh: bool = True) -> None:
        """Start a run. `fresh`: what was written before it is not its output."""
        if fresh:
            self.drain()
        self._sink = sink
        self._decoder = _UTF8("replace")

    def pass_to(self, sink: Sink) -> None:
        """Give what comes from now on to another sink, if a run is under way."""
        if self._sink is not None:
            self._sink = sink

    def end(self) -> None:
        """Finish a run: all that was written until now is its output."""
        self.drain()
        if self._sink is not None and (rest := self._decoder.decode(b"", final=True)):
            self._sink.write(self._kind, rest)
        self._sink = None

    def ignore(self) -> None:
        """Take nothing of what comes, until it is asked for."""
        if self._watched:
            self._watched = False
            self._loop.remove_reader(self._descriptor)

    def close(self, *, read: bool = True) -> None:
        """Close the pipe; `read`: take what is left before."""
        if read:
            self.end()
        self.ignore()
        os.close(self._descriptor)

    def drain(self) -> None:
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
            self.ignore()
            return False
        self._log.add(piece)
        if self._sink is not None and (text := self._decoder.decode(piece)):
            self._sink.write(self._kind, text)
        return True


class Outputs:
    """Both pipes of a kernel."""

    def __init__(self, stdout: int, stderr: int, log: Tail) -> None:
        self._both = (Output(stdout, Kind.STDOUT, log), Output(stderr, Kind.STDERR, log))

    def begin(self, sink: Sink, *, fresh: bool) -> None:
        """Start a run, see `Output`."""
        for one in self._both:
            one.begin(sink, fresh=fresh)

    def pass_to(self, sink: Sink) -> None:
        """Give what comes from now on to another sink, if a run is under way."""
        for one in self._both:
            one.pass_to(sink)

    def drain(self) -> None:
        """Read what is there."""
        for one in self._both:
            one.drain()

    def end(self) -> None:
        """Finish a run."""
        for one in self._both:
            one.end()

    def ignore(self) -> None:
        """Take nothing of what comes, until it is asked for."""
        for one in self._both:
            one.ignore()

    def close(self, *, read: bool) -> None:
        """Close the pipes; `read`: take what is left before."""
        for one in self._both:
            one.close(read=read)
