"""`Branch`: the runner's handle of one spawner process and of what hangs on it."""

import asyncio
import errno
import functools
import itertools
import os
import signal
import socket
from collections.abc import Callable, Mapping

from shakeout.process import errors, protocol
from shakeout.process.channel import Channel, ChannelLost
from shakeout.process.handle import Process
from shakeout.process.protocol import Message
from shakeout.process.spawn import Exit, Program


class Branch:
    """One spawner: starts programs and nested spawners, and tells of every exit.

    Children go by a number that is given here, not by pid, so that the news of a quick exit is never
    lost or taken for another's. `on_exit` is called for each process that ended; all of them have when
    the spawner itself is gone. `number` is one that no earlier holder of the channel has used.
    """

    def __init__(
        self,
        name: str,
        end: socket.socket,
        on_exit: Callable[[Process], None],
        number: int = 1,
    ) -> None:
        self.name = name
        self._processes: dict[int, Process] = {}
        self._numbers = itertools.count(number)
        self._on_exit = on_exit
        self._nested: list[Branch] = []
        self._gone = asyncio.Event()
        self._channel = Channel(end, self._hear, self._lose, tokens=number)

    @property
    def open(self) -> bool:
        """Whether the spawner was still there when the loop last looked."""
        return self._channel.open

    async def spawn(self, program: Program, environment: Mapping[str, str]) -> Process:
        """Start a program. Raises StartFailed (a subclass says which way) and HarnessDied."""
        number = next(self._numbers)
        send = functools.partial(self._signal, number)
        process = self._processes[number] = Process(program, send)
        try:
            reply = await self._ask(_order(number, program, environment), program.sockets)
        except OSError as error:
            self._processes.pop(number, None)
            raise errors.StartFailed(program.name, f"the request failed: {error}") from error
        except BaseException:
            self._abandon(number, process)
            raise
        if "error" in reply:
            self._processes.pop(number, None)
            raise _start_error(program, reply["error"])
        process.pid = reply["pid"]
        return process

    async def nest(self, name: str) -> "Branch":
        """Fork a spawner from this one, which takes all of its processes with it when closed.

        Raises StartFailed, HarnessDied.
        """
        ours, theirs = protocol.pair()
        branch = Branch(name, ours, self._on_exit)
        try:
            order = {"do": "nest", "child": next(self._numbers), "name": name}
            reply = await self._ask(order, (theirs,))
        except BaseException:
            branch.drop()
            raise
        finally:
            theirs.close()
        if "error" in reply:
            branch.drop()
            raise errors.StartFailed(name, reply["error"]["reason"])
        self._nested = [*(each for each in self._nested if each.open), branch]
        return branch

    async def preload(self, modules: list[str], path: list[str]) -> asyncio.Future[Message]:
        """Have the spawner import modules; returns at once with the reply to come."""
        try:
            return await self._channel.post({"do": "preload", "modules": modules, "path": path})
        except ChannelLost as error:
            raise errors.HarnessDied(self.name) from error

    async def close(self) -> None:
        """Have the spawner kill all of its descendants and end; returns when that has happened."""
        for process in self._processes.values():
            process.expect_exit()
        self._channel.hang_up()
        await self._gone.wait()

    async def gone(self) -> None:
        """Wait until the spawner is no more."""
        await self._gone.wait()

    def require(self) -> None:
        """Raise HarnessDied when the spawner is no more."""
        if not self._channel.open:
            raise errors.HarnessDied(self.name)

    def let_go(self) -> tuple[socket.socket, int]:
        """Give the spawner away: its channel, and the number that the next holder begins with.

        What its processes do from now on, the next holder hears. Raises HarnessDied.
        """
        try:
            end = self._channel.let_go()
        except ChannelLost as error:
            raise errors.HarnessDied(self.name) from error
        self._processes.clear()
        return end, max(next(self._numbers), self._channel.tokens + 1)

    def numbers(self) -> dict[int, int]:
        """Numbers of the processes that run, by pid; `adopt` takes one at the next holder."""
        return {process.pid: number for number, process in self._processes.items()}

    def adopt(self, number: int, pid: int, program: Program) -> Process:
        """Take over a process that an earlier holder of this spawner started."""
        process = Process(program, functools.partial(self._signal, number))
        process.pid = pid
        self._processes[number] = process
        return process

    def drop(self) -> None:
        """Close the channel, and those of nested spawners, without waiting for anything."""
        for branch in self._nested:
            branch.drop()
        self._channel.close()
        self._lose()

    async def _ask(self, message: Message, sockets: tuple[socket.socket, ...] = ()) -> Message:
        try:
            return await self._channel.ask(message, [each.fileno() for each in sockets])
        except ChannelLost as error:
            raise errors.HarnessDied(self.name) from error

    async def _signal(self, number: int, what: int) -> None:
        """A process that has just ended needs no signal; that it ended is told anyway."""
        try:
            reply = await self._channel.ask({"do": "signal", "child": number, "signal": what})
        except ChannelLost:
            return
        if "error" in reply:
            raise errors.SignalRefused(reply["error"]["reason"])

    def _abandon(self, number: int, process: Process) -> None:
        """Kill what may have been started for a caller who was cancelled."""
        process.expect_exit()
        self._channel.cast({"do": "signal", "child": number, "signal": signal.SIGKILL})

    def _hear(self, message: Message) -> None:
        process = self._processes.pop(message["ended"], None)
        if process is not None:
            self._end(process, Exit.from_wait_status(message["status"]))

    def _lose(self) -> None:
        for process in self._processes.values():
            self._end(process, Exit(signal=signal.SIGKILL, cause="its parent was killed"))
        self._processes.clear()
        self._gone.set()

    def _end(self, process: Process, how: Exit) -> None:
        process.has_ended(how)
        self._on_exit(process)


def _order(number: int, program: Program, environment: Mapping[str, str]) -> Message:
    return {
        "do": "spawn",
        "child": number,
        "name": program.name,
        "argv": program.argv,
        "call": program.call,
        "args": program.args,
        "environment": dict(environment),
        "directory": str(program.directory),
        "log": str(program.log),
        "listen": program.socket_names,
        "namespaces": program.namespaces,
    }


def _start_error(program: Program, told: Message) -> errors.StartFailed:
    step, number, reason = told["step"], told["errno"], told["reason"]
    kind: type[errors.StartFailed] = errors.StartFailed
    if step == "executable" and number is not None:
        kind = errors.ExecutableMissing if number == errno.ENOENT else errors.ExecutableRefused
        reason = f"{program.argv[0]}: {os.strerror(number)}"
    elif step in ("directory", "log"):
        kind = errors.DirectoryMissing
    return kind(program.name, reason)
