"""Where the kernels of sessions run: asked once, and remembered until something is heard of the session."""

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from quarterdeck.manager.sessions import model

SESSIONS_MAX = 4096


class Whereabouts(Protocol):
    """Whoever knows where kernels run."""

    async def route(self, session: str, hostname: str) -> model.Route | None:
        """Return where a kernel of a session runs."""
        ...


class _Question:
    """A question that is under way; stale when something was heard of its session since it was asked."""

    stale = False


class Routes:
    """A memory in front of them. What it says may be out of date for as long as a notification takes: a call that fails asks again."""

    def __init__(self, lookups: Whereabouts) -> None:
        self._lookups = lookups
        self._known: OrderedDict[str, dict[str, model.Route]] = OrderedDict()
        self._questions: dict[str, set[_Question]] = {}

    def remembered(self, session: str, hostname: str) -> model.Route | None:
        """Return what is remembered of a kernel that runs."""
        return self._known.get(session, {}).get(hostname)

    async def ask(self, session: str, hostname: str) -> model.Route | None:
        """Ask the database, and remember a kernel that runs on an agent that answers."""
        with self._asking(session) as question:
            route = await self._lookups.route(session, hostname)
            if route is not None and route.kernel and route.address and not question.stale:
                self.learn(session, hostname, route)
        return route

    def learn(self, session: str, hostname: str, route: model.Route) -> None:
        """Remember a kernel that runs."""
        self._known.setdefault(session, {})[hostname] = route
        self._known.move_to_end(session)
        if len(self._known) > SESSIONS_MAX:
            self._known.popitem(last=False)

    def forget(self, session: str | None) -> None:
        """Something has changed about a session; None: about any."""
        if session is None:
            self._known.clear()
        else:
            self._known.pop(session, None)
        stale = self._questions if session is None else {session}
        for each in stale:
            for question in self._questions.get(each, ()):
                question.stale = True

    @contextmanager
    def _asking(self, session: str) -> Iterator[_Question]:
        question = _Question()
        self._questions.setdefault(session, set()).add(question)
        try:
            yield question
        finally:
            self._questions[session].discard(question)
            if not self._questions[session]:
                del self._questions[session]
