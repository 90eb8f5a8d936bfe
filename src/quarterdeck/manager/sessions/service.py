"""What users do with sessions: create, look, terminate. A session of another user does not exist."""

import contextlib
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from quarterdeck.manager.identity.model import Principal
from quarterdeck.manager.sessions import errors, model, naming, outlook, ports
from quarterdeck.manager.sessions.maxima import Terms
from quarterdeck.manager.sessions.termination import Termination
from quarterdeck.manager.sessions.watch import Watch
from quarterdeck.wire import sessions

NAME_ATTEMPTS_MAX = 5
"""How often a name is tried whose holder ends in that moment."""


@dataclass(frozen=True, slots=True)
class Made:
    """The session that somebody asked for: a new one, or one that was there and is as good. `begun`: it is looked after already."""

    view: sessions.SessionView
    new: bool = True
    begun: model.Work | None = None


class SessionService:
    """The use cases of sessions, but for waiting (`waiting`) and for what runs in them (`executions`)."""

    def __init__(
        self,
        store: ports.Sessions,
        lookups: ports.Lookups,
        sources: ports.MountSources,
        *,
        driver: ports.Driver,
        news: ports.News,
        terms: Terms,
    ) -> None:
        self._store = store
        self._lookups = lookups
        self._sources = sources
        self._driver = driver
        self._news = news
        self._terms = terms

    async def create(
        self, by: Principal, given: sessions.SessionCreate, *, watch: Watch | None = None
    ) -> Made:
        """Add a session; it begins, or waits for a place. With `reuse` a live one of that name may be returned.

        Who watches is told as soon as the kernel of one that begins is made, or is known not to be.

        Raises `Invalid`, `SessionNameTaken`, `ImageNotFound`, `DependencyNotFound`, `FolderNotMountable`, and what the storage says of folders
        that cannot be mounted.
        """
        given = self._terms.maxima.granted(given)
        sources = await self._sources.sources(by, given.mounts) if given.mounts else ()
        kernel = self._terms.id() if self._driver.has_turn else None
        new = model.NewSession(self._terms.id(), kernel, by.user, given, sources)
        for _ in range(NAME_ATTEMPTS_MAX):
            try:
                inserted = await self._store.insert(new)
            except errors.SessionNameTaken:
                other = await self._store.named(by.user, given.name or "")
                if other is None:  # it has just ended
                    continue
                if given.reuse:
                    return Made(naming.reused(given, other), new=False)
                raise naming.taken(given, other.view) from None
            if inserted.begun is None:
                self._news.created(new.id)
            else:
                self._driver.go_on(inserted.begun, watch=watch)
            return Made(inserted.view, begun=inserted.begun)
        raise errors.SessionNameTaken(field="name")

    def expecting(self, made: Made, watch: Watch) -> AbstractContextManager[None]:
        """Have who watches told of a new session of one kernel that waits for a place, if this manager places it within a block."""
        if not made.new or made.begun is not None or made.view.cluster_size > 1:
            return contextlib.nullcontext()
        return self._driver.expecting(made.view.id, watch)

    async def list(
        self, by: Principal, query: sessions.SessionQuery
    ) -> Sequence[sessions.SessionView]:
        """Return the user's sessions, the newest first, a thousand at most."""
        return await self._store.list(by.user, query)

    async def get(self, by: Principal, session: str) -> sessions.SessionView:
        """Return a session, and why it does not run yet. Raises `SessionNotFound`."""
        return await self.explained(await self.look(by, session))

    async def look(self, by: Principal, session: str) -> sessions.SessionView:
        """Return a session. Raises `SessionNotFound`."""
        view = await self._store.view(session)
        if view is None or not by.may_see(view.owner):
            raise errors.SessionNotFound
        return view

    async def explained(self, view: sessions.SessionView) -> sessions.SessionView:
        """Return a session with why it does not run yet, if so."""
        if view.status is sessions.SessionStatus.PENDING:
            situation = await self._lookups.situation(view.id)
            return view if situation is None else outlook.of(situation).shown(view)
        start = outlook.of_start(view)
        return view if start is None else start.shown(view)

    async def flush(self, session: str) -> None:
        """Have a session that has begun on disk when this returns. Raises `SessionLost`, `SessionUnsure`."""
        if not await self._store.flush(session):
            raise errors.SessionLost

    async def terminate(
        self, by: Principal, session: str, *, watch: Watch | None = None
    ) -> Termination:
        """Begin to end a session; fine if it is ending or has ended. Returns the kernels that end for it; who watches is told when they were looked after.

        Raises `SessionNotFound`.
        """
        ending = await self._store.terminate(session, by)
        if ending.work is not None:
            self._driver.go_on(ending.work, watch=watch)
            return ending
        for due in ending.kernels:
            self._driver.drive(due.agent, due.session, due.kernel, watch=watch)
        if (
            not ending.kernels
            and (await self.get(by, session)).status is sessions.SessionStatus.CANCELLED
        ):
            self._news.freed(session)
        return ending

    async def restart(self, by: Principal, session: str) -> sessions.SessionView:
        """Begin to restart a session that runs: new processes in the same place, with its files, mounts and slots.

        Raises `SessionNotFound`, `SessionNotRestartable`, `SessionRestarting`, `SessionNotRunning`, `FolderNotMountable` if a mount is not shared any more.
        """
        view = await self.get(by, session)
        if view.type is sessions.SessionType.BATCH:
            raise errors.SessionNotRestartable
        kernels = await self._store.restart(session, by)
        for due in kernels:
            self._driver.drive(due.agent, due.session, due.kernel)
        view = await self.get(by, session)
        if kernels:
            return view
        if view.status in {sessions.SessionStatus.RESTARTING, sessions.SessionStatus.RUNNING}:
            raise errors.SessionRestarting  # it is, or has been until this moment
        raise errors.SessionNotRunning(f"The session is {view.status}")

    async def force_end(self, by: Principal, session: str) -> None:
        """End a session at once, whatever its agents say; they are told afterwards. Raises `SessionNotFound`."""
        if await self._store.force_end(session, by):
            self._news.forced(session)
        else:
            await self.get(by, session)
