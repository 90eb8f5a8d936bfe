"""Who has to look at what, when something changed: wakes the loops of this manager at once, those of others by the Redis stream."""

from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from quarterdeck.base.tasks import Wake
from quarterdeck.wire.events import Event, EventKind

OWN_EVENTS_MAX = 2000


class Stream(Protocol):
    """The stream of events."""

    def publish(self, event: Event) -> None:
        """Send an event soon. Never blocks."""
        ...

    def wakes(self) -> AsyncIterator[Event | None]:
        """Give events as they come; None means: look at everything."""
        ...


class Subscriptions(Protocol):
    """Notifications of the database."""

    def subscribe(
        self, channel: str, payload: str | None = None, *, wake: Wake | None = None
    ) -> AbstractContextManager[Wake]:
        """Ring a wake at each notification of a channel, with this payload if one is given."""
        ...


class Queue:
    """Whether a session may wait for a place, as far as this manager knows, so that the end of one wakes nobody in vain.

    It may hold somebody until a look has shown that nobody waits, and nothing was heard since that began.
    """

    def __init__(self) -> None:
        self.heard = 0
        self._empty_at: int | None = None

    @property
    def may_hold_somebody(self) -> bool:
        """Whether somebody may wait."""
        return self._empty_at != self.heard

    def add(self) -> None:
        """Somebody may wait."""
        self.heard += 1

    def looked(self, heard: int, *, empty: bool) -> None:
        """Take note of what a look has shown that began when so much was heard."""
        self._empty_at = heard if empty else None


class Signals:
    """The port `News` of sessions; and the wakes of the loops."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._own: OrderedDict[Event, None] = OrderedDict()
        self.queue = Queue()
        self.scheduling = Wake()
        self.removals = Wake()
        self.dependencies = Wake()
        self.registry = Wake()
        self.everything = Wake()
        self.history = Wake()
        self.images = Wake()

    def created(self, session: str) -> None:
        """A session waits for a place."""
        self.queue.add()
        self.scheduling.set()
        self.history.set()
        self._publish(session)

    def ended(self, session: str) -> None:
        """A kernel has ended for its session: slots have come free, if somebody waits for them."""
        if self.queue.may_hold_somebody:
            self.freed(session)

    def freed(self, session: str) -> None:
        """A session has ended, or waits again: slots may have come free."""
        self.queue.add()
        self.scheduling.set()
        self.dependencies.set()
        self._publish(session)

    def forced(self, session: str) -> None:
        """A session was ended by force: slots have come free, and kernels are left to be destroyed."""
        self.removals.set()
        self.freed(session)

    def agents_changed(self, ids: Sequence[str]) -> None:  # noqa: ARG002 - any agent may have room
        """Agents came, went or started anew: sessions may fit now."""
        self.scheduling.set()

    async def listen(self, kernel_changed: Callable[[str], Awaitable[None]]) -> None:
        """Pass the events of others on, for ever."""
        async for event in self._stream.wakes():
            if event is not None and self._is_own(event):
                continue
            match event:
                case None:
                    self.queue.add()
                    self.scheduling.set()
                    self.dependencies.set()
                    self.registry.set()
                    self.everything.set()
                    self.images.set()
                case Event(kind=EventKind.SESSION):
                    self.queue.add()
                    self.scheduling.set()
                    self.dependencies.set()
                    self.history.set()
                case Event(kind=EventKind.AGENT):
                    self.registry.set()
                case Event(kind=EventKind.IMAGE):
                    self.images.set()
                case Event(kind=EventKind.KERNEL, id=kernel):
                    await kernel_changed(kernel)
                case _:
                    pass

    def _publish(self, session: str) -> None:
        event = Event(EventKind.SESSION, session)
        self._own[event] = None
        if len(self._own) > OWN_EVENTS_MAX:
            self._own.popitem(last=False)
        self._stream.publish(event)

    def _is_own(self, event: Event) -> bool:
        """Tell whether this is the echo of an event of ours. Mistaken for ours, an event of another costs a wait for the loop's pace."""
        return event in self._own


class HistoryBell:
    """The ports `History` of sessions and `Bell` of events: the triggers of the database notify of each change."""

    def __init__(self, subscriptions: Subscriptions) -> None:
        self._subscriptions = subscriptions

    def waiting(self, session: str, wake: Wake) -> AbstractContextManager[object]:
        """Ring an alarm when the session has changed, for the time of a block."""
        return self._subscriptions.subscribe("session_history", session, wake=wake)

    def anything(self, wake: Wake) -> AbstractContextManager[object]:
        """Ring an alarm when any session has changed, for the time of a block."""
        return self._subscriptions.subscribe("session_history", wake=wake)
