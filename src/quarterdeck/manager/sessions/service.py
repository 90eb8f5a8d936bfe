"""What users do with sessions: create, look, terminate. A session of another user does not exist."""

from collections.abc import Sequence

from quarterdeck.manager.identity.model import Principal
from quarterdeck.manager.sessions import errors, model, naming, outlook, ports
from quarterdeck.manager.sessions.maxima import Terms
from quarterdeck.wire import sessions

NAME_ATTEMPTS_MAX = 5
"""How often a name is tried whose holder ends in that moment."""


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

    async def create(self, by: Principal, given: sessions.SessionCreate) -> model.Made:
        """Add a session; it waits for a place. With `reuse` a live one of that name may be returned.

        Raises `Invalid`, `SessionNameTaken`, `ImageNotFound`, `DependencyNotFound`, `FolderNotMountable`, and what the storage says of folders
        that cannot be mounted.
        """
        given = self._terms.maxima.granted(given)
        sources = await self._sources.sources(by, given.mounts) if given.mounts else ()
        new = model.NewSession(self._terms.session_id(), by.user, given, sources)
        for _ in range(NAME_ATTEMPTS_MAX):
            try:
                view = await self._store.insert(new)
            except errors.SessionNameTaken:
                other = await self._store.named(by.user, given.name or "")
                if other is None:  # it has just ended
                    continue
                if given.reuse:
                    return model.Made(naming.reused(given, other), new=False)
                raise naming.taken(given, other) from None
            self._news.created(view.id)
            return model.Made(view)
        raise errors.SessionNameTaken(field="name")

    async def list(
        self, by: Principal, query: sessions.SessionQuery
    ) -> Sequence[sessions.SessionView]:
        """Return the user's sessions, the newest first, a thousand at most."""
        return await self._store.list(by.user, query)

    async def get(self, by: Principal, session: str) -> sessions.SessionView:
        """Return a session, and why it does not run yet. Raises `SessionNotFound`."""
        view = await self._store.view(session)
        if view is None or not by.may_see(view.owner):
            raise errors.SessionNotFound
        if view.status is sessions.SessionStatus.PENDING:
            situation = await self._lookups.situation(session)
            return view if situation is None else outlook.of(situation).shown(view)
        start = outlook.of_start(view)
        return view if start is None else start.shown(view)

    async def terminate(self, by: Principal, session: str) -> sessions.SessionView:
        """Begin to end a session; fine if it is ending or has ended. Raises `SessionNotFound`."""
        for due in await self._store.terminate(session, by):
            self._driver.drive(due.agent, due.session, due.kernel)
        view = await self.get(by, session)
        if view.status is sessions.SessionStatus.CANCELLED:
            self._news.freed(session)
        return view

    async def restart(self, by: Principal, session: str) -> sessions.SessionView:
        """Begin to restart a session that runs: new processes in the same place, with its files, mounts and slots.

        Raises `SessionNotFound`, `SessionNotRestartable`, `SessionRestarting`, `SessionNotRunning`.
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
        if view.status is sessions.SessionStatus.RESTARTING:
            raise errors.SessionRestarting
        raise errors.SessionNotRunning(f"The session is {view.status}")

    async def force_end(self, by: Principal, session: str) -> sessions.SessionView:
        """End a session at once, whatever its agents say; they are told afterwards. Raises `SessionNotFound`."""
        if await self._store.force_end(session, by):
            self._news.forced(session)
        return await self.get(by, session)
