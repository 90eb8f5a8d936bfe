"""`shakeout up`: boot a system, show it, keep it until somebody stops it or a component dies."""

import argparse
import asyncio
import json
import signal
from collections.abc import Coroutine
from dataclasses import asdict
from typing import Any, TypeVar

from shakeout import settings as settings_module
from shakeout.cli import board, failures, target, text
from shakeout.cli.errors import AlreadyRuns
from shakeout.hand import control, state
from shakeout.hand.session import Session
from shakeout.hand.state import UpState
from shakeout.process.supervisor import Supervisor
from shakeout.system import boot
from shakeout.system.cluster import Cluster
from shakeout.system.model import System, Topology
from shakeout.system.progress import Progress, silence

INTERRUPTED = 130

Value = TypeVar("Value")


def run(options: argparse.Namespace) -> int:
    """Returns 0 after Ctrl-C or `down`, 130 if that came during the boot."""
    system = target.load(options.target)
    name = options.name or system.name
    home = settings_module.read().home
    if any(one.name == name for one in state.running(home)):
        raise AlreadyRuns(name)
    return asyncio.run(_Up(system, name, options).serve())


class _Up:
    """One run of the command."""

    def __init__(self, system: System, name: str, options: argparse.Namespace) -> None:
        self.system = system
        self.name = name
        self.options = options
        self.stop = asyncio.Event()

    async def serve(self) -> int:
        """Boot, show, wait, clean up. Raises what ended the boot, or the death of a component."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self.stop.set)
        async with await Supervisor.open() as supervisor:
            began = loop.time()
            cluster = await _unless(self.stop, self._boot(supervisor))
            if cluster is None:
                return INTERRUPTED
            async with cluster:
                session = Session(self.name, self.options.target, cluster)
                async with control.controlled(session):
                    self._show(session.state(), loop.time() - began)
                    failure = await _unless(self.stop, supervisor.failed())
                if failure is None:
                    return 0
                code = failures.tell(failure, json=self.options.json)
        return code

    async def _boot(self, supervisor: Supervisor) -> Cluster:
        return await boot.boot(
            self.system,
            supervisor,
            name=self.system.name,
            topology=Topology(dict(self.options.replicas)),
            wanted=self.options.wanted,
            durable=self.options.durable,
            links=self.options.links,
            with_disks=self.options.disks,
            tell=self._progress(),
        )

    def _progress(self) -> Progress:
        return silence if self.options.json else board.Board().show

    def _show(self, found: UpState, seconds: float) -> None:
        """Tell how to use it."""
        if self.options.json:
            text.say(json.dumps(asdict(found)))
        else:
            for line in describe(found, seconds):
                text.say(line)


def describe(found: UpState, seconds: float) -> list[str]:
    """What a person needs to know of a system that just came up."""
    rows = [
        (one.name, str(one.pid or "-"), one.state, one.address.replace(found.directory, "..."))
        for one in found.members
    ]
    return [
        "",
        f"{found.name} is up after {seconds:.2f} s. Everything of it is below",
        f"... = {found.directory}",
        "",
        *text.table(("component", "pid", "state", "address"), rows),
        "",
        *text.table(
            ("shakeout ps", "what it costs"),
            (
                ("shakeout logs COMPONENT -f", "its log, which is .../COMPONENT/log"),
                ("shakeout shell", "a shell that talks to it"),
                ("shakeout fault", "what can be done to it, and undone"),
                ("shakeout timeline -f", "what happens"),
                ("shakeout down, or Ctrl-C", "stop it; nothing is left behind"),
            ),
        ),
    ]


async def _unless(stop: asyncio.Event, work: Coroutine[Any, Any, Value]) -> Value | None:
    """The result of the work; None, with the work cancelled, if `stop` comes first."""
    try:
        async with asyncio.TaskGroup() as group:
            working = group.create_task(work)
            stopping = group.create_task(stop.wait())
            await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
            stopping.cancel()
            working.cancel()
    except BaseExceptionGroup as failed:
        raise failed.exceptions[0] from None
    return None if working.cancelled() else working.result()
