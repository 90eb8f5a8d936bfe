"""Random work on the platform while things fail: users who keep files and run sessions, for `shakeout.explore`.

`SCENARIO` is the whole of it; `tests/integration/failover/test_random_scenarios.py` carries it out.
"""

import contextlib
import random
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

from quarterdeck.client.errors import OutcomeUnknown, Refused, SessionEnded, Unreachable
from quarterdeck.client.folders import Folder
from quarterdeck.client.sessions import Session
from quarterdeck.testing import tenancy
from quarterdeck.testing.invariants import Invariants
from quarterdeck.testing.tenancy import User
from quarterdeck.wire.states import SESSION_TERMINAL, SessionStatus
from shakeout.checks.consistency import verdict
from shakeout.checks.consistency.linearizability import Linearizable
from shakeout.checks.consistency.models import Register
from shakeout.explore.plan import Call
from shakeout.explore.scenario import Action, Disturbance, Scenario
from shakeout.faults.network import Cut
from shakeout.faults.process import Kill, Pause, Restart
from shakeout.history.operation import History, Outcome, Value
from shakeout.history.recorder import Outcomes, Recorder
from shakeout.system.cluster import Cluster
from shakeout.waiting.until import until

FILES = ("alpha", "beta")
CALM_SECONDS_MAX = 15.0
LEFT = "left"
ENDED = "ended"
NOT_FOUND = 404
SERVER_ERROR = 500

_EXPECTED = (Unreachable, Refused, OutcomeUnknown, SessionEnded)
_OUTCOMES: Outcomes = {
    Unreachable: Outcome.FAIL,
    Refused: Outcome.FAIL,
    OutcomeUnknown: Outcome.UNKNOWN,
    SessionEnded: Outcome.FAIL,
}


class Work:
    """What the clients of one run do: each has one session at most, and all share the files of one folder."""

    outcomes = _OUTCOMES

    def __init__(self, cluster: Cluster, user: User, folder: Folder, scratch: Path) -> None:
        self._user = user
        self._folder = folder
        self._scratch = scratch
        self._sessions: dict[int, Session] = {}
        self._judge = Invariants(cluster)

    async def perform(self, call: Call) -> object:
        """Do one operation. A refusal for inner reasons says nothing about what was done."""
        try:
            return await self._perform(call)
        except Refused as refusal:
            if refusal.status >= SERVER_ERROR:
                raise OutcomeUnknown(str(refusal)) from refusal
            raise

    async def finish(self, recorder: Recorder) -> None:
        """End all sessions, wait until the platform keeps all its promises, and look at what there is."""
        await until(self._asked_to_end, within=CALM_SECONDS_MAX, retry_on=_EXPECTED)
        with recorder.operation(LEFT, process="last look") as look:
            look.result = [
                [view.id, view.status.value] for view in await self._user.sessions.list(ended=True)
            ]
        with recorder.operation("promises", process="last look") as look:
            broken = await until(
                self._judge.snapshot, satisfied=lambda found: not found, within=CALM_SECONDS_MAX
            )
            look.result = list(broken)
        for name in FILES:
            with recorder.operation("read", name, process="last look") as look:
                look.result = await self._read(name, self._scratch / "last")

    async def _perform(self, call: Call) -> object:
        local = self._scratch / str(call.number)
        match call.action:
            case "write":
                local.write_text(str(call.arguments[0]))
                await self._folder.upload(local, call.key)
                return None
            case "read":
                return await self._read(call.key, local)
            case "run":
                return await self._run(call.client)
            case _:
                return await self._end(call.client)

    async def _read(self, name: str, local: Path) -> int | None:
        try:
            await self._folder.download(name, local)
        except Refused as refusal:
            if refusal.status == NOT_FOUND:
                return None
            raise
        return int(local.read_text())  # noqa: ASYNC240 - a few bytes

    async def _run(self, client: int) -> object:
        """Compute something in the client's session, made first if there is none."""
        session = self._sessions.get(client)
        if session is None:
            session = self._sessions[client] = await self._user.sessions.create()
        try:
            await session.reaches(SessionStatus.RUNNING, within=CALM_SECONDS_MAX)
            return [session.id, (await session.execute("6 * 7")).result]
        except (SessionEnded, Refused):
            del self._sessions[client]
            raise

    async def _end(self, client: int) -> object:
        """Forget the client's session and ask for its end."""
        session = self._sessions.pop(client, None)
        if session is None:
            return None
        await session.terminate()
        return session.id

    async def _asked_to_end(self) -> bool:
        live = [
            await self._user.sessions.get(view.id) for view in await self._user.sessions.list()
        ]
        for session in live:
            await session.terminate()
        return not live


def kept(history: History) -> Iterator[str]:
    """Tell the sessions that were promised and are lost, did not end, or computed something else."""
    rows = [row for look in history.only(LEFT) for row in _rows(look.result)]
    ended = {row[0]: str(row[1]) for row in rows}
    for id_, status in ended.items():
        if status not in SESSION_TERMINAL:
            yield f"session {id_} is {status} although it was asked to end"
    for one in history.only("run", ENDED):
        session, *result = _rows(one.result) or (one.result,)
        if one.outcome is Outcome.OK and session is not None:
            if session not in ended:
                yield f"{one}: the platform knows no session {session}"
            if result not in ([], ["42"]):
                yield f"{one}: 6 * 7 is 42"


def _rows(told: Value) -> tuple[Any, ...]:
    return told if isinstance(told, tuple) else ()


@contextlib.asynccontextmanager
async def working(cluster: Cluster) -> AsyncIterator[Work]:
    """A user with a folder."""
    with tempfile.TemporaryDirectory(prefix="scenario-") as scratch:
        async with tenancy.visitor(cluster, "visitor") as user:
            folder = await user.folders.create("shared")
            yield Work(cluster, user, folder, Path(scratch))


def _number(rng: random.Random) -> tuple[int]:
    return (rng.randrange(1_000_000),)


SCENARIO = Scenario(
    "work",
    open=working,
    actions=(
        Action("write", keys=FILES, arguments=_number, weight=4),
        Action("read", keys=FILES, weight=4),
        Action("run", weight=3),
        Action(ENDED, weight=1),
    ),
    disturbances=(
        Disturbance(Kill("manager"), hold_ms=(0, 500), weight=3),
        Disturbance(Kill("agent"), hold_ms=(0, 500), weight=3),
        Disturbance(Kill("storage-proxy"), hold_ms=(0, 500), weight=3),
        Disturbance(Pause("manager"), hold_ms=(100, 1000)),
        Disturbance(Pause("agent"), hold_ms=(100, 1000)),
        Disturbance(Pause("storage-proxy"), hold_ms=(100, 1000)),
        Disturbance(Restart("manager"), hold_ms=(0, 300)),
        Disturbance(Restart("agent"), hold_ms=(0, 300)),
        Disturbance(Restart("storage-proxy"), hold_ms=(0, 300)),
        Disturbance(Cut("manager", "agent"), hold_ms=(100, 800)),
        Disturbance(Cut("manager", "storage-proxy"), hold_ms=(100, 800)),
        Disturbance(Cut("manager", "postgres"), hold_ms=(100, 800)),
        Disturbance(Cut("agent", "redis"), hold_ms=(100, 800)),
        Disturbance(Cut("agent", "etcd"), hold_ms=(100, 800)),
        Disturbance(Kill("redis"), hold_ms=(0, 500)),
        Disturbance(Restart("etcd"), hold_ms=(0, 300)),
        Disturbance(Restart("postgres"), hold_ms=(0, 300)),
    ),
    checks={
        "files": Linearizable(Register(), frozenset({"write", "read"})),
        "sessions": verdict.invariant(kept),
    },
    clients=4,
    calls=40,
    span_ms=2500,
    injections=(1, 3),
    operation_seconds_max=8.0,
    finish_seconds_max=40.0,
    reference="quarterdeck.testing.scenarios:SCENARIO",
)
