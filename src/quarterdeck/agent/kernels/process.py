"""A kernel as its agent holds it: executes code through the control channel, one piece at a time, and knows when it ends.

Made by `launcher`, which also tells it when no process of the kernel is left.
"""

import asyncio
import dataclasses
import logging
import os
import secrets
import socket
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

from quarterdeck.agent.kernels import channel, messages
from quarterdeck.agent.kernels.activity import Activity
from quarterdeck.agent.kernels.capture import Journal, Tail
from quarterdeck.agent.kernels.errors import (
    AgentLeft,
    KernelBusy,
    KernelDied,
    KernelNotStarted,
    KernelTerminated,
)
from quarterdeck.agent.kernels.outputs import Output
from quarterdeck.agent.kernels.spec import Exit
from quarterdeck.wire.sessions import Execution, ExecutionStatus

WAITING_EXECUTIONS_MAX = 16

_RESUMED_COUNT_MIN = 2**32
"""No agent counts so far: numbers of different agents differ."""
_log = logging.getLogger(__name__)


class Ends(NamedTuple):
    """The agent's ends of a kernel's channels."""

    control: socket.socket
    stdout: int
    stderr: int


class KernelProcess:
    """One kernel. `on_exit` is called once, when its process has ended and with it all others of the kernel.

    `kill` asks for the end of the kernel.
    """

    def __init__(
        self, id_: str, ends: Ends, on_exit: Callable[[Exit], None], kill: Callable[[], None]
    ) -> None:
        self.id = id_
        self.pid = 0
        self.exit: Exit | None = None
        self.killed = False
        self.gone = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self.activity = Activity(self._loop.time)
        self._on_exit = on_exit
        self._kill = kill
        self._ends = ends
        self._written = Tail()
        self._outputs = (Output(ends.stdout, self._written), Output(ends.stderr, self._written))
        self._reader = channel.Reader()
        self._outgoing: deque[bytes] = deque()
        self._broken = ""
        self._started: asyncio.Future[messages.Start | None] = self._loop.create_future()
        self._reply: asyncio.Future[messages.Done | None] | None = None
        self._turn = asyncio.Lock()
        self._waiting = 0
        self._count = 0
        self._resuming = False
        self.left = False
        os.set_blocking(ends.control.fileno(), False)
        self._loop.add_reader(ends.control, self._read)

    async def started(self) -> None:
        """Return when the kernel is ready for code. Raises `KernelNotStarted`."""
        message = await self._started
        if self.left:
            raise AgentLeft
        if message is None:
            raise KernelNotStarted(f"The kernel ended at its start: {self.exit}")
        if message.started is None:
            raise KernelNotStarted(message.detail, code=message.refused or KernelNotStarted.code)
        self.pid = message.started

    async def execute(self, code: str) -> Execution:
        """Run code after what was asked for earlier. Raises `KernelBusy` when 16 wait already, `KernelDied`, `KernelTerminated`."""
        if self._waiting >= WAITING_EXECUTIONS_MAX:
            raise KernelBusy
        self._waiting += 1
        try:
            async with self._turn:
                reply = await self._run(code)
        finally:
            self._waiting -= 1
        if reply is None and self.left:
            raise AgentLeft
        if reply is None and self.killed:
            raise KernelTerminated
        if reply is None:
            raise KernelDied(f"The kernel ended: {self.exit}")
        return reply

    def keep(self, journal: Journal) -> None:
        """Write down what it writes, also what it has written. One that has ended writes nothing more."""
        self._written.keep(journal)
        if self.exit is not None:
            self._written.close()

    def logs(self) -> str:
        """Return the newest part of all that the kernel has written."""
        return self._written.text()

    def condemn(self, reason: str) -> None:
        """End it soon, for a reason that its exit tells."""
        self._broken = self._broken or reason
        self._kill()

    def resume(self) -> None:
        """Go on with a kernel that an earlier agent made. What it runs for that one, nobody waits for; new code comes after it."""
        self._started.set_result(None)
        self._resuming = True
        self._count = _RESUMED_COUNT_MIN + secrets.randbits(31)
        self._reply = self._loop.create_future()
        self.activity.begin()
        self._send({"execute": self._count, "code": ""})

    def leave(self) -> None:
        """Let go of the kernel, which goes on: close every channel without a word."""
        self.left = True
        self._close()
        self.gone.set()

    def finish(self, exit_: Exit) -> None:
        """Take note that the process has ended and none of the kernel is left; close every channel."""
        if self._broken:
            exit_ = dataclasses.replace(exit_, reason=self._broken)
        self.exit = exit_
        self._close()
        self.gone.set()
        self._on_exit(exit_)

    def _close(self) -> None:
        for output in self._outputs:
            output.close()
        self._written.close()
        self._loop.remove_reader(self._ends.control)
        self._loop.remove_writer(self._ends.control)
        self._ends.control.close()
        for future in (self._started, self._reply):
            if future is not None and not future.done():
                future.set_result(None)

    async def _run(self, code: str) -> Execution | None:
        if self._reply is not None and not self._reply.done():
            await asyncio.wait((self._reply,))  # its caller went away, its code still runs
        if self.exit is not None or self.left:
            return None
        self._count += 1
        self._reply = self._loop.create_future()
        for output in self._outputs:
            output.begin()
        self.activity.begin()
        self._send({"execute": self._count, "code": code})
        await asyncio.wait((self._reply,))  # so that a caller who goes away leaves it waiting
        message = self._reply.result()
        return None if message is None else self._execution(message)

    def _execution(self, done: messages.Done) -> Execution:
        stdout, stderr = (output.end() for output in self._outputs)
        return Execution(
            status=done.status,
            stdout=stdout.text(),
            stderr=stderr.text(),
            result=done.result,
            error=done.error,
            truncated=done.truncated or stdout.truncated or stderr.truncated,
        )

    def _send(self, message: dict[str, Any]) -> None:
        self._outgoing.extend(channel.packets(message))
        self._flush()

    def _flush(self) -> None:
        while self._outgoing:
            try:
                self._ends.control.send(self._outgoing[0])
            except BlockingIOError:
                self._loop.add_writer(self._ends.control, self._flush)
                return
            except OSError:  # nobody listens any more: the end of the process is what tells why
                self._outgoing.clear()
                break
            self._outgoing.popleft()
        self._loop.remove_writer(self._ends.control)

    def _read(self) -> None:
        try:
            packet = self._ends.control.recv(channel.PACKET_BYTES_MAX)
            if not packet:  # its end is told by the zygote
                self._loop.remove_reader(self._ends.control)
                return
            data = self._reader.feed(packet)
            if data is not None:
                self._take(data)
        except (BlockingIOError, ConnectionError):
            return
        except channel.ChannelBroken as error:
            _log.warning("kernel-channel-broken", extra={"kernel": self.id, "error": str(error)})
            self._broken = f"killed because its code wrote to its control channel: {error}"
            self._loop.remove_reader(self._ends.control)
            self._kill()

    def _take(self, data: bytes) -> None:
        """Take a message. Raises `channel.ChannelBroken`."""
        if not self._started.done():
            self._started.set_result(messages.read(messages.Start, data))
            return
        if self._reply is None or self._reply.done():
            raise channel.ChannelBroken("a message that nobody waits for")
        done = messages.read(messages.Done, data)
        if self._resuming and done.done != self._count:
            return  # an earlier agent asked for it
        self._resuming = False
        if done.done != self._count or (done.error is None) != (done.status is ExecutionStatus.OK):
            raise channel.ChannelBroken("an answer to something else")
        self.activity.end()
        self._reply.set_result(done)
