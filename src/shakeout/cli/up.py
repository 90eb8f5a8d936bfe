"""`shakeout up`: boot a system, show it, keep it until somebody stops it or a component dies."""

import argparse
import asyncio
import json
import os
import signal
from collections.abc import Coroutine
from dataclasses import asdict
from typing import Any, TypeVar

from shakeout import settings as settings_module
from shakeout.cli import board, failures, state, target, text
from shakeout.cli.errors import AlreadyRuns
from shakeout.cli.state import MemberState, UpState
from shakeout.process import procfs
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
                self._show(cluster, supervisor, loop.time() - began)
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
            tell=self._progress(),
        )

    def _progress(self) -> Progress:
        return silence if self.options.json else board.Board().show

    def _show(self, cluster: Cluster, supervisor: Supervisor, seconds: float) -> None:
        """Leave the state for the other commands, and tell how to use it."""
        found = _state(self.name, self.options.target, cluster)
        state.write(supervisor.run_directory, found)
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
                ('eval "$(shakeout env)"', "talk to it from a shell"),
                ("shakeout down, or Ctrl-C", "stop it; nothing is left behind"),
            ),
        ),
    ]


def _state(name: str, origin: str, cluster: Cluster) -> UpState:
    own = procfs.stat(os.getpid())
    members = tuple(
        MemberState(
            name=one.name,
            state=str(one.state),
            pid=one.process.pid if one.process else 0,
            address=one.addresses.get("", ""),
            log=str(one.log),
        )
        for one in cluster.members.values()
    )
    hints = cluster.system.hints
    return UpState(
        name=name,
        target=origin,
        pid=os.getpid(),
        started=own.started if own else 0,
        directory=str(cluster.directory),
        members=members,
        environment=hints(cluster) if hints else _addresses(members),
    )


def _addresses(members: tuple[MemberState, ...]) -> dict[str, str]:
    """Environment for a system that declares no hints: `MANAGER_URL`, `AGENT_1_URL`."""
    return {
        f"{one.name.upper().replace('-', '_')}_URL": one.address for one in members if one.address
    }


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
