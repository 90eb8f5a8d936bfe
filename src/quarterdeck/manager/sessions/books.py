"""The lifecycle's books in PostgreSQL: claims and status changes of kernels with their sessions; the SQL is in `queries.sql`."""

from collections.abc import Mapping, Sequence
from typing import Any

from quarterdeck.infra import postgres, queries
from quarterdeck.manager.sessions import model
from quarterdeck.manager.sessions.removal_ports import Removal
from quarterdeck.manager.sessions.source import ImageSource
from quarterdeck.manager.sessions.watch import Over, Ran
from quarterdeck.wire import agents, decode, images, sessions

CLAIM_SECONDS = 8.0
"""How long a manager may take for one call about a kernel; longer than any deadline of the lifecycle."""
DUE_ROWS_MAX = 500
PULLS_AGAIN_MAX = 3
"""How often a kernel goes back to the pull of its image, which its agent has let go of."""
POSTPONED_SECONDS = 5.0
DETAIL_CHARACTERS_MAX = 2000
"""Of what an agent says of an end: part of that may be the words of a user's code, or of an image."""

_SQL = queries.load(__package__)


class LifecycleBooks:
    """The port `Books` on a database, for one manager."""

    def __init__(self, database: postgres.Database, manager: str) -> None:
        self._database = database
        self._manager = manager
        self._after: str | None = None

    async def due(self) -> Sequence[model.Due]:
        """Return kernels on ALIVE agents that need something and that no manager has claimed, some hundreds: the next call goes on after them."""
        rows = await self._database.fetch(
            _SQL["due"], {"limit": DUE_ROWS_MAX, "after": self._after}
        )
        self._after = rows[-1]["kernel"] if len(rows) == DUE_ROWS_MAX else None
        return [model.Due(**row) for row in rows]

    async def claim(self, kernel: str) -> model.Work | None:
        """Claim a kernel that needs something from its agent (SCHEDULED becomes CREATING); None: nothing, or not ours to do."""
        claim = {"kernel": kernel, "manager": self._manager, "seconds": CLAIM_SECONDS}
        row = await self._database.fetch_one(
            _SQL["begin_creating"], claim
        ) or await self._database.fetch_one(_SQL["claim_kernel"], claim)
        return None if row is None else _work(row)

    async def release_all(self) -> None:
        """Give back what an earlier life of this manager had claimed."""
        await self._database.execute(_SQL["release_all"], {"manager": self._manager})

    async def release(self, work: model.Work) -> None:
        """Give a claim back: it is to be tried again."""
        await self._database.execute(
            _SQL["release_kernel"], {"kernel": work.kernel, "manager": self._manager}
        )

    async def pulling(self, work: model.Work, image: agents.AgentImage) -> None:
        """SCHEDULED -> PULLING, or how far it has come since; the claim is given back."""
        progress = images.PullProgress(
            image.bytes_done, image.bytes_total, image.layer, image.layers
        )
        facts = {"session": work.session, "kernel": work.kernel}
        pull = decode.encode(progress).decode()
        await self._database.execute(_SQL["pulling"], {**facts, "pull": pull})

    async def pulled(self, work: model.Work, image: agents.AgentImage) -> bool:
        """SCHEDULED or PULLING -> CREATING, and the session with the first kernel; False if it is to end meanwhile."""
        facts = {"session": work.session, "kernel": work.kernel}
        cause = f"image-pulled: {image.layers} layers, {image.bytes_total} bytes"
        row = await self._database.fetch_one(_SQL["pulled"], {**facts, "cause": cause})
        return row is not None

    async def pull_again(self, work: model.Work) -> bool:
        """CREATING -> PULLING: the agent has let go of the image; False if it is to end meanwhile, or this has happened too often."""
        facts = {"session": work.session, "kernel": work.kernel, "most": PULLS_AGAIN_MAX}
        return await self._database.fetch_one(_SQL["pull_again"], facts) is not None

    async def running(self, work: model.Work, isolation: sessions.IsolationLevel) -> Ran | None:
        """CREATING or RESTARTING -> RUNNING, and with the last kernel the session; None if it is neither any more, or is restarted anew."""
        row = await self._database.fetch_one(
            _SQL["runs"],
            {
                "kernel": work.kernel,
                "isolation": isolation.value,
                "generation": work.request.generation,
                "flushed": work.flushed,
            },
        )
        return None if row is None else Ran(isolation, row["started_at"], row["expires_at"])

    async def ending(
        self, kernel: str, end: model.End, actor: str, *, generation: int
    ) -> Sequence[model.Due]:
        """Make the session of a live kernel TERMINATING, with all its kernels, and return them; none if it was not before that, or was restarted since `generation`."""
        detail = end.detail and _storable(end.detail)[:DETAIL_CHARACTERS_MAX]
        rows = await self._database.fetch(
            _SQL["end_session_of"],
            {
                "kernel": kernel,
                "actor": actor,
                "reason": end.reason.value,
                "detail": detail,
                "exit_code": end.exit_code,
                "generation": generation,
            },
        )
        return [model.Due(**row) for row in rows]

    async def keep_logs(self, session: str, logs: sessions.Logs) -> None:
        """Keep what a session has written; what was kept first stays."""
        kept = {"text": _storable(logs.text), "written": logs.written}
        await self._database.execute(_SQL["keep_logs"], {"session": session, **kept})

    async def ended(self, work: model.Work) -> Over | None:
        """TERMINATING -> TERMINATED, and with the last kernel the session; the slots come free. None: the session is not over, or was before."""
        row = await self._database.fetch_one(_SQL["ended"], {"kernel": work.kernel})
        return None if row is None else _over(row)


class RemovalBooks:
    """The port `Removals` on a database."""

    def __init__(self, database: postgres.Database) -> None:
        self._database = database

    async def due(self) -> Sequence[Removal]:
        """Return those of agents that answer, the oldest first; not those that were postponed."""
        rows = await self._database.fetch(_SQL["removals_due"], {"limit": DUE_ROWS_MAX})
        return [Removal(**row) for row in rows]

    async def done(self, kernel: str) -> None:
        """Forget one: it is gone."""
        await self._database.execute(_SQL["removal_done"], {"kernel": kernel})

    async def put_off(self, kernel: str) -> None:
        """Leave one alone for some seconds: its agent has refused it."""
        await self._database.execute(
            _SQL["put_off_removal"], {"kernel": kernel, "seconds": POSTPONED_SECONDS}
        )

    async def postpone(self, removal: Removal) -> None:
        """Leave an agent alone for some seconds, which has not answered for one of them; that one goes behind the others."""
        facts = {"agent": removal.agent, "kernel": removal.kernel, "seconds": POSTPONED_SECONDS}
        await self._database.execute(_SQL["postpone_removals"], facts)


def ending(row: Mapping[str, Any]) -> model.Work:
    """Return what is left to do for the one kernel of a session, claimed when that began to end: what it was made of does not matter any more."""
    return model.Work(
        session=row["session"],
        status=sessions.KernelStatus.TERMINATING,
        kernel=row["kernel"],
        agent=row["agent"],
        address=row["address"],
        status_seconds=0.0,
        request=agents.KernelCreate(
            session=row["session"],
            image=row["image"],
            slots=sessions.Slots(row["cpu"], row["memory_mib"]),
            digest=row["image_digest"],
            command=tuple(row["command"]),
        ),
        type=sessions.SessionType(row["type"]),
    )


def _storable(text: str) -> str:
    """Return text as the database takes it, whoever wrote it."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")


def _work(row: Mapping[str, Any]) -> model.Work:
    seat = model.Seat(sessions.KernelRole(row["role"]), row["index"], row["cluster_size"])
    return model.Work(
        session=row["session"],
        status=sessions.KernelStatus(row["status"]),
        kernel=row["kernel"],
        agent=row["agent"],
        address=row["address"],
        status_seconds=row["status_seconds"],
        request=agents.KernelCreate(
            session=row["session"],
            image=row["image"],
            slots=sessions.Slots(row["cpu"], row["memory_mib"]),
            limits=sessions.Limits(**row["limits"]),
            isolation=sessions.IsolationLevel(row["isolation"]),
            ports=tuple(row["ports"]) if row["peers"] else (),
            peers=tuple(agents.KernelPeer(*one) for one in row["peers"] or ()),
            mounts=tuple(agents.KernelMount(*columns) for columns in row["mounts"] or ()),
            environment={**row["environment"], **seat.environment()},
            digest=row["image_digest"],
            command=tuple(row["command"]) if seat.is_main else (),
            generation=row["generation"],
        ),
        type=sessions.SessionType(row["type"])
        if seat.is_main
        else sessions.SessionType.INTERACTIVE,
        source=_source(row),
    )


def _over(row: Mapping[str, Any]) -> Over:
    return Over(
        terminated_at=row["status_changed_at"],
        reason=row["reason"],
        result=sessions.SessionResult(row["result"]),
        detail=row["detail"],
        exit_code=row["exit_code"],
        started_at=row["started_at"],
        expires_at=row["expires_at"],
        isolation=None if row["isolation"] is None else sessions.IsolationLevel(row["isolation"]),
    )


def _source(row: Mapping[str, Any]) -> ImageSource | None:
    """Return where the image comes from; None: from nowhere, or its registry is not known any more."""
    if row["url"] is None:
        return None
    return ImageSource(row["url"], row["repository"], row["username"], row["secret"])
