"""Kernels that are no processes, with delays and failures to order: hundreds of agents on one machine, and every bad moment at will.

`QD_KERNELS=dummy`, and `QD_DUMMY` a JSON object: `{"seed": 1, "behaviours": {"slow": {"share": 0.1, "create_ms": 500}, …}}`. A session
chooses its behaviour by its environment variable `QD_DUMMY`, a name or a JSON object; else the seed does, by the shares.
"""

import asyncio
import random
from collections.abc import Callable, Collection, Mapping
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from quarterdeck.agent.kernels import messages
from quarterdeck.agent.kernels.activity import Activity
from quarterdeck.agent.kernels.capture import Journal, Tail
from quarterdeck.agent.kernels.dummy_code import Namespace
from quarterdeck.agent.kernels.errors import (
    AgentLeft,
    KernelDied,
    KernelNotStarted,
    KernelTerminated,
)
from quarterdeck.agent.kernels.namespaces import Isolation
from quarterdeck.agent.kernels.record import Kind
from quarterdeck.agent.kernels.runs import Run, Runs
from quarterdeck.agent.kernels.spec import Exit, KernelSpec
from quarterdeck.base import tasks
from quarterdeck.wire import decode
from quarterdeck.wire.errors import Invalid
from quarterdeck.wire.executions import Complete, Completion, Execute, Input
from quarterdeck.wire.sessions import IsolationLevel, Logs

CHOICE = "QD_DUMMY"
"""The variable of a session's environment that chooses."""

FIRST_PID = 2**30
"""No operating system has a process of this number: nobody is hit who is taken for a kernel."""

Milliseconds = Annotated[int, Meta(ge=0, le=86_400_000)]


class Behaviour(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a kernel does. `create_fails` is the code of the refusal; after `dies_after_ms` it ends by itself, with `exit_code`."""

    share: Annotated[float, Meta(ge=0, le=1)] = 0.0
    create_ms: Milliseconds = 0
    create_fails: str = ""
    dies_after_ms: Milliseconds | None = None
    exit_code: int = 1
    execute_ms: Milliseconds = 0
    destroy_ms: Milliseconds = 0
    destroy_hangs: bool = False


class Plan(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the kernels of an agent do. What the shares leave over behaves well."""

    seed: int = 0
    behaviours: dict[str, Behaviour] = {}

    def __post_init__(self) -> None:
        """Raise `Invalid` for shares that are more than all."""
        if sum(one.share for one in self.behaviours.values()) > 1:
            raise Invalid("behaviours", "The shares are more than 1 together")


class DummyKernel:
    """The port `Kernel`."""

    def __init__(
        self, id_: str, pid: int, behaviour: Behaviour, on_exit: Callable[[Exit], None]
    ) -> None:
        self.id = id_
        self.pid = pid
        self.behaviour = behaviour
        self.killed = False
        self.activity = Activity(asyncio.get_running_loop().time)
        self._on_exit = on_exit
        self._exit: Exit | None = None
        self._written = Tail()
        self._namespace = Namespace()
        self.runs = Runs()
        self._timer: asyncio.TimerHandle | None = None

    def start(self, given: Execute) -> Run:
        """Run code of the little language of `dummy_code`; commands do nothing and succeed. Raises what runs raise, `KernelDied`, `KernelTerminated`."""
        if self._exit is not None:
            raise self._failure(self._exit)
        run = self.runs.add(given.run or "", given)
        self._go_on()
        return run

    def run(self, id_: str) -> Run:
        """Return a run."""
        return self.runs.find(id_)

    def interrupt(self, id_: str | None = None) -> None:
        """End a run, or the one that takes its time."""
        run = self.runs.current if id_ is None else self.runs.find(id_)
        if run is not None and not run.ended:
            self._end(run, messages.interrupted(run.id))

    def reply(self, id_: str, given: Input) -> None:
        """Refuse: nothing asks."""
        self.runs.find(id_).answer(given.number)

    async def complete(self, given: Complete) -> Completion:
        """Find nothing."""
        return Completion((), len(given.code), len(given.code))

    def keep(self, journal: Journal) -> None:
        """Write down what was printed."""
        self._written.keep(journal)

    def logs(self) -> Logs:
        """Return what was printed."""
        return self._written.logs()

    def condemn(self, reason: str) -> None:
        """End for a reason."""
        self.end(Exit(reason=reason))

    def end(self, exit_: Exit) -> None:
        """End, if it has not ended."""
        if self._exit is None:
            self._exit = exit_
            if self._timer is not None:
                self._timer.cancel()
            self.runs.fail(self._failure(exit_))
            self._on_exit(exit_)

    def leave(self) -> None:
        """Let nobody wait any more."""
        if self._timer is not None:
            self._timer.cancel()
        self.runs.fail(AgentLeft())

    def _go_on(self) -> None:
        if (run := self.runs.next()) is not None:
            self.activity.begin()
            seconds = self.behaviour.execute_ms / 1000
            self._timer = asyncio.get_running_loop().call_later(seconds, self._finish, run)

    def _finish(self, run: Run) -> None:
        if run is not self.runs.current:
            return
        if run.given.code is None:
            done = messages.Done(number=1, run=run.id, status="ok", exit_code=0)
        else:
            told = self._namespace.run(run.given.code)
            run.write(Kind.STDOUT, told.stdout)
            self._written.add(told.stdout.encode())
            status: Literal["ok", "error"] = "error" if told.error else "ok"
            done = messages.Done(
                number=1, run=run.id, status=status, result=told.result, error=told.error
            )
        self._end(run, done)

    def _end(self, run: Run, done: messages.Done) -> None:
        if run is self.runs.current:
            self.activity.end()
        self.runs.end(run, done)
        self._go_on()

    def _failure(self, exit_: Exit) -> KernelDied | KernelTerminated:
        return KernelTerminated() if self.killed else KernelDied(f"The kernel ended: {exit_}")


class DummyKernels:
    """The port `Kernels`, without a process."""

    mounts = True
    level = IsolationLevel.NAMESPACED
    """As they do nothing, they do nothing to others."""
    containers = True
    """A dummy looks into no image."""

    def __init__(self, plan: Plan) -> None:
        self.isolation = Isolation()
        self.died = asyncio.Event()
        self._plan = plan
        self._random = random.Random(plan.seed)
        self._living: dict[str, DummyKernel] = {}
        self._count = 0

    async def ready(self) -> None:
        """Return at once."""

    def first(self, _id: str) -> None:
        """Return that there is none."""

    async def spawn(self, spec: KernelSpec, on_exit: Callable[[Exit], None]) -> DummyKernel:
        """Make a kernel, or fail, as its behaviour says."""
        behaviour = self._behaviour(spec.environment)
        self._count += 1
        kernel = DummyKernel(spec.id, FIRST_PID + self._count, behaviour, on_exit)
        self._living[spec.id] = kernel
        await tasks.pause(behaviour.create_ms / 1000)
        if kernel.killed:
            raise KernelTerminated
        if behaviour.create_fails:
            self._living.pop(spec.id, None)
            kernel.end(Exit())
            raise KernelNotStarted("The dummy was told to fail", code=behaviour.create_fails)
        if behaviour.dies_after_ms is not None:
            loop = asyncio.get_running_loop()
            exit_ = Exit(code=behaviour.exit_code)
            loop.call_later(behaviour.dies_after_ms / 1000, kernel.end, exit_)
        return kernel

    async def kill(self, id_: str) -> None:
        """End a kernel, as fast as its behaviour says; it may be never."""
        kernel = self._living.get(id_)
        if kernel is None:
            return
        kernel.killed = True
        if kernel.behaviour.destroy_hangs:
            await asyncio.Event().wait()
        await tasks.pause(kernel.behaviour.destroy_ms / 1000)
        self._living.pop(id_, None)
        kernel.end(Exit())

    def held(self) -> Collection[str]:
        """Return none: they are not there before they are adopted."""
        return ()

    def adopt(self, id_: str, pid: int, on_exit: Callable[[Exit], None]) -> DummyKernel | None:
        """Make a kernel anew that has forgotten its names, as if it had outlived its agent. It behaves well."""
        self._living[id_] = kernel = DummyKernel(id_, pid, Behaviour(), on_exit)
        return kernel

    def leave(self) -> None:
        """Forget all kernels; whoever waits for their code is told so."""
        for kernel in self._living.values():
            kernel.leave()
        self._living.clear()

    async def close(self) -> None:
        """End all kernels, whatever their behaviour."""
        for kernel in tuple(self._living.values()):
            kernel.killed = True
            kernel.end(Exit())
        self._living.clear()

    def _behaviour(self, environment: Mapping[str, str]) -> Behaviour:
        """Return what a kernel is to do. Raises `KernelNotStarted` when its session asks for something that is not there."""
        choice = environment.get(CHOICE, "")
        if choice.startswith("{"):
            try:
                return decode.decode(Behaviour, choice.encode())
            except Invalid as error:
                raise KernelNotStarted(f"{CHOICE} is no behaviour: {error.detail}") from error
        if choice:
            found = self._plan.behaviours.get(choice)
            if found is None:
                raise KernelNotStarted(f"There is no behaviour {choice!r}")
            return found
        drawn = self._random.random()
        for behaviour in self._plan.behaviours.values():
            drawn -= behaviour.share
            if drawn < 0:
                return behaviour
        return Behaviour()
