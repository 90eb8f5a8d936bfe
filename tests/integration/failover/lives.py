"""The whole lives of sessions, and what happens at each message of them; for the tests of every message on an edge."""

import contextlib
import itertools

from quarterdeck.client.errors import (
    ClientError,
    OutcomeUnknown,
    Refused,
    SessionEnded,
    Unreachable,
)
from quarterdeck.testing.invariants import Invariants
from quarterdeck.wire.states import SESSION_TERMINAL
from shakeout.explore import everywhere
from shakeout.faults.coverage import RUN
from shakeout.waiting.until import until

SECONDS_MAX = 20
SERVER_ERROR = 500
MARGIN = 2
"""Messages of loops come in between: a few more than were counted."""

FROM_CLIENT = ("test", "manager")
TO_AGENT = ("manager", "agent")
EDGES = (
    FROM_CLIENT,
    ("manager", "postgres"),
    TO_AGENT,
    ("manager", "redis"),
    ("agent", "redis"),
)
REPEATABLE = (FROM_CLIENT, TO_AGENT, ("manager", "redis"), ("agent", "redis"))
KILLS = [(edge, victim) for edge in EDGES for victim in edge if victim in ("manager", "agent")]
KILL_IDS = [f"{'-'.join(edge)}-{victim}" for edge, victim in KILLS]


class Life:
    """Sessions of one user, each from its creation to its end; the client connects by way of the links, too."""

    def __init__(self, cluster, user, observe):
        self.cluster = cluster
        self.user = user
        self.observe = observe
        self.judge = Invariants(cluster)
        self.names = itertools.count()

    async def live(self):
        """Two sessions, whatever happens on the way: one that its user ends, and one that ends by itself.

        A call may fail and is made again; each state comes, and a session ends for no other reason.
        """
        session = await self.created()
        await self.sees(session, "RUNNING")
        with contextlib.suppress(ClientError):
            assert (await session.execute("6 * 7")).result == "42"
        await insist(session.terminate)
        await self.sees(session, "TERMINATED")
        assert (await insist(session.refresh)).reason == "user-requested"
        session = await self.created()
        await self.sees(session, "RUNNING")
        if not await has_exited(session):
            await insist(session.terminate)
        await self.sees(session, "TERMINATED")

    async def live_promptly(self):
        """One session of two requests that wait, with its first code in the first. As in `live`, calls may fail and are made again."""
        session = await self.created(wait=SECONDS_MAX, execute="6 * 7")
        await self.sees(session, "RUNNING")
        if session.execution is not None:
            assert session.execution.result == "42"
        await insist(lambda: session.terminate(wait=SECONDS_MAX))
        await self.sees(session, "TERMINATED")
        assert (await insist(session.refresh)).reason == "user-requested"

    async def survive(self):
        """As `live`, but sessions may end for any reason."""
        with contextlib.suppress(SessionEnded):
            await self.live()

    async def survive_promptly(self):
        """As `live_promptly`, but the session may end for any reason."""
        with contextlib.suppress(SessionEnded):
            await self.live_promptly()

    async def created(self, **given):
        """A session by a name of its own: asked for again, it is the same."""
        name = f"life-{next(self.names)}"
        return await insist(lambda: self.user.sessions.create(name=name, reuse=True, **given))

    async def sees(self, session, status):
        await insist(lambda: session.reaches(status, within=SECONDS_MAX))

    async def rests(self):
        """Return when all that this user began has ended and nothing is left of it, seen from outside."""
        await until(self.asked_to_end, within=SECONDS_MAX, retry_on=(ClientError,))
        await until(self.judge.snapshot, satisfied=lambda broken: not broken, within=SECONDS_MAX)
        assert self.observe.slots_in_use() == (0, 0)
        assert self.observe.live_kernels() == []
        assert self.observe.scratch() == {}
        rows = self.observe.rows("SELECT DISTINCT status FROM sessions")
        assert {row["status"] for row in rows} <= set(SESSION_TERMINAL)
        assert self.observe.value("SELECT count(*) FROM allocations WHERE freed_at IS NULL") == 0
        names = self.observe.rows("SELECT name FROM sessions GROUP BY name HAVING count(*) > 1")
        assert names == []

    async def asked_to_end(self):
        live = [await self.user.sessions.get(view.id) for view in await self.user.sessions.list()]
        for session in live:
            await session.terminate()
        return not live


async def insist(call):
    """Make a call until it succeeds; what the platform refuses for good is raised."""

    async def once():
        try:
            return await call()
        except Refused as refusal:
            if refusal.status >= SERVER_ERROR:
                raise OutcomeUnknown(str(refusal)) from refusal
            raise

    return await until(
        once,
        within=SECONDS_MAX,
        satisfied=lambda _: True,
        retry_on=(Unreachable, OutcomeUnknown),
    )


async def has_exited(session):
    """Let the code of a session end its kernel; whether that is known to have happened."""
    try:
        await session.execute("import os; os._exit(3)")
    except Refused as refusal:
        return refusal.code == "session-not-running"
    except ClientError:
        return False
    return True


async def everywhere_on(
    life, edge, act, name, *, applies=lambda _: True, undisturbed=None, work=None
):
    """Record the messages of a life on an edge, then stop each in turn and act; after each the platform rests."""
    link = life.cluster.links.link(*edge)
    undisturbed = undisturbed or life.live
    await undisturbed()  # what is opened once is open
    sent = await everywhere.sent(link, undisturbed)

    async def act_if_it_applies(trap, message):
        if not applies(message):
            await trap.deliver()
            return False
        await act(trap, message)
        return True

    reached = 0
    for number in range(1, len(sent) + MARGIN + 1):
        reached += await everywhere.visit(
            link, number, work or undisturbed, act_if_it_applies, within=SECONDS_MAX
        )
        await life.rests()
    await undisturbed()
    count = len([one for one in sent if applies(one)])
    RUN.add_messages("quarterdeck", link.name, name, reached=min(reached, count), sent=count)


async def kill_at_each_message(life, edge, victim, *, arrives, promptly=False):
    """Kill a process while a message waits, which is delivered after that or not; start it again."""

    def applies(message):
        return not arrives or victim == edge[not message.is_request]

    async def kill(trap, _message):
        life.cluster.process(victim).expect_exit()
        await life.cluster.kill(victim)
        await (trap.deliver() if arrives else trap.lose())
        await life.cluster.start(victim)

    name = f"kill {victim}, {'delivered' if arrives else 'lost'}"
    if promptly:
        name += ", two requests"
    await everywhere_on(
        *(life, edge, kill, name),
        applies=applies,
        undisturbed=life.live_promptly if promptly else life.live,
        work=life.survive_promptly if promptly else life.survive,
    )
