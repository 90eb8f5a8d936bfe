"""Answers what the agent asks of a kernel, one thing after the other: runs of code, commands, completions. Used by `runner`.

The agent sends `{"execute": number, "run": id, "code" | "command": …, "stdin": …}`, `{"complete": number, "code": …, "cursor": …}` and, while
a run asks for it, `{"input": question, "text": …}`; `{"shown": number}` for what was displayed; before it interrupts a run for the first time, `{"interrupt": number}`. An agent that takes over from another begins with `{"resume": number}`. What it is told is in `messages`. SIGINT to the process group interrupts what runs:
code by an exception where the user's code is, never where ours is, and a command by the same signal.
"""

import _thread
import contextlib
import os
import select
import signal
import socket
import sys
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import Any, NoReturn

from quarterdeck.agent.kernels import channel, commands, completion, interpreter, rich
from quarterdeck.agent.kernels.begun import Begun
from quarterdeck.agent.kernels.interpreter import Interpreter, Outcome
from quarterdeck.agent.kernels.streams import Streams

_WHOLE = frozenset({channel.send.__code__, channel.receive.__code__})
"""Functions that must not be left in the middle: a message would be torn."""

_PLAIN = frozenset({int, str, float, bool, bytes, list, dict, tuple, set})
"""Show nothing but text."""

_Request = dict[str, Any]


class Responder:
    """The conversation of a kernel with its agent."""

    def __init__(
        self, control: socket.socket, streams: Streams, show: Callable[[str], None]
    ) -> None:
        """`show` shows the run that is run, or none, to those who look at this process from outside."""
        self._control = control
        self._show = show
        self._streams = streams
        self._interpreter = Interpreter()
        self._interpreter.install()
        self._interpreter.on_result = self._show_result
        self._interpreter.namespace["display"] = self.display
        self._main = os.getpid(), _thread.get_ident()
        self._run = ""
        self._question = 0
        self._deferred: _Request | None = None
        self._interrupted = False
        self._taking = False
        self._begun = Begun()
        self._listen_for_interrupts()

    def serve(self) -> NoReturn:
        """Answer until the agent is gone. Raises `channel.ChannelBroken`, OSError."""
        while True:
            request, self._deferred = self._deferred, None
            self._answer(request or channel.receive(self._control))

    def _answer(self, request: _Request) -> None:
        if "execute" in request:
            self._show(request["run"])
            outcome = self._execute(request)
            said = {"said": "done", "number": request["execute"], "run": request["run"]}
            channel.send(self._control, said | outcome.message())
            self._show("")
        elif "complete" in request:
            found = self._complete(request)._asdict()
            said = {"said": "completed", "number": request["complete"]}
            channel.send(self._control, said | found)
        elif "resume" in request:
            channel.send(self._control, {"said": "resumed", "number": request["resume"]})

    def _execute(self, request: _Request) -> Outcome:
        """Run code or a command, unless it was run already: an agent that has started anew may not know."""
        self._run = request["run"]
        if not self._begun.note(self._run):
            return Outcome("forgotten")
        self._streams.heal()
        begin = partial(self._begin, request["execute"])
        if "command" in request:
            return self._execute_command(request["command"], begin)
        self._question = 0
        self._streams.asks(self._ask if request["stdin"] else None)
        outcome = self._interpreter.run(request["code"], begin)
        if os.getpid() != self._main[0]:
            _leave_fork(outcome)
        self._listen_for_interrupts()
        self._streams.asks(None)
        return outcome

    def _execute_command(self, command: list[str], begin: Callable[[], None]) -> Outcome:
        with commands.signals_held():
            try:
                begin()
                code = commands.run(command)
            except KeyboardInterrupt:
                return Outcome("error", exit_code=commands.INTERRUPTED)
            except OSError as error:
                refused = _not_started(command[0], error)
                return Outcome("error", error=refused, exit_code=commands.NO_PROGRAM)
        return Outcome("ok" if code == 0 else "error", exit_code=code)

    def display(self, *values: Any) -> None:
        """Show objects as HTML or pictures where they can be, else as text."""
        for value in values:
            if (os.getpid(), _thread.get_ident()) != self._main:
                sys.stdout.write(f"{value!r}\n")
                continue
            data = rich.bundle(value, repr(value))
            channel.send(self._control, {"said": "show", "data": data})
            self._wait_until_shown()

    def _wait_until_shown(self) -> None:
        """Let nothing be written before the agent has put what is shown in its place."""
        while True:
            self._wait_for_message()
            reply = channel.receive(self._control)
            if "resume" in reply:
                self._deferred = reply
            self._be_interrupted()
            if "shown" in reply or "resume" in reply:
                return

    def _show_result(self, value: Any) -> None:
        if type(value) in _PLAIN or os.getpid() != self._main[0]:
            return
        if data := rich.bundle(value):
            channel.send(self._control, {"said": "show", "data": data, "result": True})

    def _begin(self, number: int) -> None:
        """Interrupt a run whose interrupt came before its code did. What came for the run before is over."""
        if not self._interrupted:
            return
        self._interrupted = False
        (expected,) = channel.packets({"interrupt": number})
        try:
            found = self._control.recv(
                channel.PACKET_BYTES_MAX, socket.MSG_PEEK | socket.MSG_DONTWAIT
            )
        except BlockingIOError:
            return
        if found == expected:
            raise KeyboardInterrupt

    def _complete(self, request: _Request) -> completion.Found:
        return self._interpreter.complete(request["code"], request["cursor"])

    def _ask(self) -> str | None:
        """Ask the user for lines of input; None: there are no more. Other threads and processes than the one that runs get none."""
        if (os.getpid(), _thread.get_ident()) != self._main:
            return None
        self._question += 1
        channel.send(self._control, {"said": "ask", "question": self._question})
        try:
            return self._reply()
        except KeyboardInterrupt:
            channel.send(self._control, {"said": "ask", "question": 0})
            raise

    def _reply(self) -> str | None:
        while True:
            self._wait_for_message()
            reply = channel.receive(self._control)
            if "resume" in reply:  # another agent, which does not know of the question
                self._deferred = reply
                channel.send(self._control, {"said": "ask", "question": self._question})
            self._be_interrupted()
            if reply.get("input") == self._question:
                text: str | None = reply["text"]
                return text

    def _wait_for_message(self) -> None:
        """Wait where an interrupt may come in between."""
        self._be_interrupted()
        poll = select.poll()
        poll.register(self._control, select.POLLIN)
        poll.poll()

    def _be_interrupted(self) -> None:
        """Raise the interrupt that came while a message was sent or received."""
        if self._interrupted:
            self._interrupted = False
            raise KeyboardInterrupt

    def _listen_for_interrupts(self) -> None:
        """Take SIGINT, whatever the user's code has made of it."""
        done = False
        while not done:
            with contextlib.suppress(BaseException):
                signal.signal(signal.SIGINT, self._interrupt)
                done = True

    def _interrupt(self, _number: int, frame: FrameType | None) -> None:
        """Take an interrupt. Those that come while one is taken are part of it: else many at once would pile up."""
        if self._taking:
            return
        self._taking = True
        try:
            self._take(frame)
        finally:
            self._taking = False

    def _take(self, frame: FrameType | None) -> None:
        while frame is not None and frame.f_code not in _WHOLE:
            if frame.f_code in interpreter.INTERRUPTIBLE:
                raise KeyboardInterrupt
            frame = frame.f_back
        self._interrupted = True


def _not_started(program: str, error: OSError) -> dict[str, str]:
    text = f"{program[:255]}: {error.strerror}"
    return {"type": type(error).__name__, "message": text, "traceback": f"{text}\n"}


def _leave_fork(outcome: Outcome) -> NoReturn:
    """End a child that the user's code has forked and that ran to the end of the code: only its parent answers."""
    if outcome.error is None:
        os._exit(0)
    if outcome.error["type"] == "SystemExit":
        code = outcome.error["message"]
        os._exit(int(code) & 0xFF if code.isdecimal() else int(code not in {"", "None"}))
    os.write(2, outcome.error["traceback"].encode())
    os._exit(1)
