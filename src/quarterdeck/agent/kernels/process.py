"""A kernel as its agent holds it: has code run through the control channel, one piece at a time, and knows when it ends.

Made by `launcher`, which also tells it when no process of the kernel is left.
"""

import asyncio
import dataclasses
import logging
import secrets
from collections.abc import Callable
from functools import partial
from pathlib import Path

from quarterdeck.agent.kernels import channel, identity, messages
from quarterdeck.agent.kernels.activity import Activity
from quarterdeck.agent.kernels.capture import Journal, Tail
from quarterdeck.agent.kernels.completing import Completing
from quarterdeck.agent.kernels.control import Control
from quarterdeck.agent.kernels.errors import (
    AgentLeft,
    KernelBusy,
    KernelDied,
    KernelNotStarted,
    KernelTerminated,
)
from quarterdeck.agent.kernels.forkserver import Ends
from quarterdeck.agent.kernels.outputs import Outputs
from quarterdeck.agent.kernels.runs import Run, Runs
from quarterdeck.agent.kernels.spec import Exit
from quarterdeck.wire.executions import Complete, Completion, Execute, Input
from quarterdeck.wire.sessions import Logs

_RESUMED_COUNT_MIN = 2**32
"""No agent counts so far: numbers of different agents differ."""

_log = logging.getLogger(__name__)


class KernelProcess:
    """One kernel. `on_exit` is called once, when its process has ended and with it all others of the kernel.

    `kill` asks for the end of the kernel. `pid_file`: where its pid stands if what runs in it, code of its image, is not to be believed.
    """

    def __init__(
        self,
        id_: str,
        ends: Ends,
        on_exit: Callable[[Exit], None],
        kill: Callable[[], None],
        *,
        pid_file: Path | None = None,
    ) -> None:
        self.id = id_
        self._pid_file = pid_file
        self.pid = self.first = 0
        self.exit: Exit | None = None
        self.killed = False
        self.gone = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self.activity = Activity(self._loop.time)
        self._on_exit = on_exit
        self._kill = kill
        self._written = Tail()
        self._outputs = Outputs(ends.stdout, ends.stderr, self._written)
        self._control = Control(ends.control, self._take, self._give_up)
        self._broken = ""
        self._started: asyncio.Future[messages.Start | None] = self._loop.create_future()
        self.runs = Runs()
        self._completing: Completing | None = None
        self._interrupted = False
        self._count = 0
        self._resuming = False
        self.left = False

    def rename(self, id_: str, pid_file: Path) -> None:
        """Be a kernel of this id from now on, used in this moment for the first time."""
        self.id, self._pid_file = id_, pid_file
        self.activity = Activity(self._loop.time)

    async def started(self) -> None:
        """Return when the kernel is ready for code. Raises `KernelNotStarted`."""
        message = await self._started
        if self.left:
            raise AgentLeft
        if message is None:
            raise KernelNotStarted(f"The kernel ended at its start: {self.exit}")
        if message.started is None:
            raise KernelNotStarted(message.detail, code=message.refused or KernelNotStarted.code)
        self.pid, self.first = identity.pid(message.started, self._pid_file), message.first

    def start(self, given: Execute) -> Run:
        """Run code or a command after what was asked for earlier; the same id again is the same run. Raises `KernelBusy` when 16 wait already, `RunConflict`, `RunForgotten`, `KernelDied`, `KernelTerminated`."""
        if self.exit is not None or self.left:
            raise self._failure()
        if given.run is None:
            raise ValueError("a run without an id")
        run = self.runs.add(given.run, given)
        self._go_on()
        return run

    def run(self, id_: str) -> Run:
        """Return a run. Raises `RunNotFound`, `RunForgotten`."""
        return self.runs.find(id_)

    def interrupt(self, id_: str | None = None) -> None:
        """Interrupt a run, or the one that runs; nothing happens if it has ended. Raises `RunNotFound`, `RunForgotten`."""
        current = self.runs.current
        run = current if id_ is None else self.runs.find(id_)
        if run is None or run.ended:
            return
        if run is not current:
            self.runs.end(run, messages.interrupted(run.id))
            return
        if not self._interrupted:
            self._interrupted = True
            self._control.send({"interrupt": self._count})
        identity.interrupt(self.pid, group=True)

    def reply(self, id_: str, given: Input) -> None:
        """Give a run the input that it asks for; once more is fine. Raises `InputNotWanted`, `RunNotFound`, `RunForgotten`."""
        if self.runs.find(id_).answer(given.number):
            self._control.send({"input": given.number, "text": given.text})

    async def complete(self, given: Complete) -> Completion:
        """Return how code could go on, soon. Raises `KernelBusy` while something runs, `KernelDied`, `KernelTerminated`."""
        if self.exit is not None or self.left:
            raise self._failure()
        if self._resuming or self.runs.current is not None or self._completing is not None:
            raise KernelBusy
        self._count += 1
        self._completing = asked = Completing(given, partial(identity.interrupt, self.pid))
        self._control.send({"complete": self._count, "code": given.code, "cursor": given.cursor})
        if (answer := await asked.answer()) is None:
            raise self._failure()
        return answer

    def keep(self, journal: Journal) -> None:
        """Write down what it writes, also what it has written. One that has ended writes nothing more."""
        self._written.keep(journal)
        if self.exit is not None:
            self._written.close()

    def logs(self) -> Logs:
        """Return the newest part of all that the kernel has written."""
        return self._written.logs()

    def condemn(self, reason: str) -> None:
        """End it soon, for a reason that its exit tells."""
        self._broken = self._broken or reason
        self._kill()

    def resume(self) -> None:
        """Go on with a kernel that an earlier agent made, and with what it runs for that one; new code comes after it."""
        self._started.set_result(None)
        self._resuming = True
        self._count = _RESUMED_COUNT_MIN + secrets.randbits(31)
        self._begin(self.runs.resume())
        self._control.send({"resume": self._count})

    def recognise(self, pid: int) -> None:
        """Take note of the pid, and of the run that the process shows, of a kernel that an earlier agent made."""
        self.pid = pid
        run, id_ = self.runs.current, identity.run_of(pid)
        if run is not None and not run.id and id_ is not None:
            self._name(run, id_)
        elif self._resuming and id_ is None:
            self._completing = Completing(Complete(""), self._free)

    def ignore(self) -> None:
        """Take nothing of what it says until its end, when what is left is read: each channel that ends would wake the agent."""
        self._outputs.ignore()
        self._control.ignore()

    def leave(self) -> None:
        """Let go of the kernel, which goes on: close every channel without a word. What was not read stays for the next agent."""
        self.left = True
        self._close()
        self.gone.set()

    def finish(self, exit_: Exit) -> None:
        """Take note that the process has ended and none of the kernel is left; close every channel."""
        self.exit = dataclasses.replace(exit_, reason=self._broken or exit_.reason)
        self._close()
        self.gone.set()
        self._on_exit(self.exit)

    def _close(self) -> None:
        self._control.close(
            read=not self.left
        )  # first: a run that ends with it takes what was written
        self._outputs.close(read=not self.left)
        self._written.close()
        if not self._started.done():
            self._started.set_result(None)
        if self._completing is not None:
            self._completing.end(None)
        self.runs.fail(self._failure())

    def _failure(self) -> AgentLeft | KernelDied | KernelTerminated:
        if self.left:
            return AgentLeft()
        return KernelTerminated() if self.killed else KernelDied(f"The kernel ended: {self.exit}")

    def _go_on(self) -> None:
        """Begin with the next run, if nothing else is under way."""
        if self._resuming or self._completing is not None or (run := self.runs.next()) is None:
            return
        self._count += 1
        self._begin(run)
        what = {"command": run.given.command} if run.given.command else {"code": run.given.code}
        asked = {"execute": self._count, "run": run.id, "stdin": run.given.stdin}
        self._control.send(asked | what)

    def _begin(self, run: Run) -> None:
        """Take what comes from now on for a run's."""
        self._interrupted = False
        self.activity.begin()
        self._outputs.begin(run, fresh=not run.resumed)

    def _free(self) -> None:
        """Interrupt what an earlier agent asked and nobody waits for, if it is no run."""
        if identity.run_of(self.pid) is None:
            identity.interrupt(self.pid)

    def _give_up(self, error: channel.ChannelBroken) -> None:
        _log.warning("kernel-channel-broken", extra={"kernel": self.id, "error": str(error)})
        self.condemn(f"killed because its code wrote to its control channel: {error}")

    def _take(self, data: bytes) -> None:
        """Take a message. Raises `channel.ChannelBroken`."""
        if not self._started.done():
            self._started.set_result(messages.read(messages.Start, data))
            return
        said: messages.Said = messages.read(messages.Said, data)
        match said:
            case messages.Done():
                self._end_run(said)
            case messages.Ask():
                self._outputs.drain()
                self._current().ask(said.question)
            case messages.Show():
                self._outputs.drain()
                self._current().show(said.data, result=said.result)
                if not said.result:
                    self._control.send({"shown": self._count})
            case messages.Completed():
                self._end_completion(said)
            case messages.Resumed():
                self._end_resuming(said)

    def _current(self) -> Run:
        """Return the run that may say something. Raises `channel.ChannelBroken`."""
        if self.runs.current is None:
            raise channel.ChannelBroken("a message about no run")
        return self.runs.current

    def _end_run(self, done: messages.Done) -> None:
        run = self._current()
        if self._resuming and not run.id:
            run = self._name(run, done.run)
        if run.id != done.run or (done.number != self._count and not self._resuming):
            raise channel.ChannelBroken("an answer to something else")
        self._outputs.end()
        self.activity.end()
        if done.status == "forgotten":
            self.runs.forget(run)
        else:
            self.runs.end(run, done)
        self._go_on()

    def _name(self, run: Run, id_: str) -> Run:
        """Give the run that was resumed its id; return the one that is it now."""
        named = self.runs.name(run, id_)
        self._outputs.pass_to(named)
        return named

    def _end_completion(self, found: messages.Completed) -> None:
        if self._resuming:  # an earlier agent asked
            return
        if self._completing is None or found.number != self._count:
            raise channel.ChannelBroken("an answer to something else")
        self._completing.end(found)
        self._completing = None
        self._go_on()

    def _end_resuming(self, resumed: messages.Resumed) -> None:
        if not self._resuming:
            raise channel.ChannelBroken("an answer to something else")
        if resumed.number != self._count:  # an earlier agent asked, and ended before it was told
            return
        self._resuming = False
        if self._completing is not None:
            self._completing.end(None)
            self._completing = None
        if self.runs.current is not None:  # nothing runs, and nothing more is told of what ran
            self.activity.end()
            self.runs.forget(self.runs.current)
        self._outputs.end()
        self._go_on()
