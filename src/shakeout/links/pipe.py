"""Bytes on their way in one direction of one connection: what may go on now, and when the rest may. Pure.

`relay` puts in what it reads and takes out what it may send. The clock is the caller's, the random generator, too.
"""

import collections
import enum
import math
import random

from shakeout.links.behaviour import PLAIN, Flow

BUFFER_BYTES_MAX = 256 * 1024
"""A pipe that holds as much takes no more, and its sender is slowed down by its own full buffers."""
SLICE_SECONDS = 0.02
"""With a limited rate, as much is passed at once as the rate allows in this time, but a byte at least."""


class End(enum.Enum):
    """How one direction ends."""

    SHUT = "shut"
    """Its sender sends no more."""
    RESET = "reset"
    """Its sender is gone."""


class Pipe:
    """One direction. Order is kept whatever the delays."""

    def __init__(self, flow: Flow, chance: random.Random) -> None:
        self.flow = PLAIN if flow.plain else flow
        self.size = 0
        self.passed = 0
        """Bytes taken since it began."""
        self.end: End | None = None
        self.stopped = False
        """Held whatever the flow says: the connection is half open."""
        self._end_due = 0.0
        self._pieces: collections.deque[tuple[float, bytes]] = collections.deque()
        self._chance = chance
        self._allowed_at = -math.inf
        self._counted_from = 0

    @property
    def direct(self) -> bool:
        """Whether what is read may be sent on at once, past this pipe."""
        return self.flow is PLAIN and not self.size and not self.stopped

    @property
    def full(self) -> bool:
        return self.size >= BUFFER_BYTES_MAX

    @property
    def waiting(self) -> bytes:
        """What has not gone on yet."""
        return b"".join(piece for _, piece in self._pieces)

    def change(self, flow: Flow) -> None:
        """Behave differently from now on, also towards what is on its way."""
        self.flow = PLAIN if flow.plain else flow
        self._counted_from = self.passed
        self._allowed_at = -math.inf
        if not flow.delay_seconds:
            self._pieces = collections.deque((0.0, piece) for _, piece in self._pieces)
            self._end_due = 0.0

    def put(self, data: bytes, now: float) -> None:
        """Take what was read."""
        self._pieces.append((self._later(now), data))
        self.size += len(data)

    def finish(self, end: End, now: float) -> None:
        """Take note that nothing more comes. A reset outdoes a shut."""
        if self.end is not End.RESET:
            self.end = end
            self._end_due = self._later(now)

    def passes(self, count: int) -> None:
        """Count bytes that went past it."""
        self.passed += count

    @property
    def exhausted(self) -> bool:
        """Whether the connection has had all the bytes that it gets."""
        limit = self.flow.reset_after_bytes
        return limit is not None and self.passed - self._counted_from >= limit

    def ready(self, now: float) -> bytes:
        """What may be sent now; `take` what of it was sent."""
        if (
            not self._pieces
            or self._blocked()
            or self._pieces[0][0] > now
            or self._allowed_at > now
        ):
            return b""
        data = self._pieces[0][1]
        most = self._most()
        return data if len(data) <= most else data[:most]

    def take(self, count: int, now: float) -> None:
        """So much of what was `ready` has been sent."""
        due, data = self._pieces.popleft()
        if count < len(data):
            self._pieces.appendleft((due, data[count:]))
        self.size -= count
        self.passed += count
        if self.flow.bytes_per_second < math.inf:
            self._allowed_at = max(self._allowed_at, now) + count / self.flow.bytes_per_second

    def ended(self, now: float) -> End | None:
        """How it has ended, once all has been sent and the end itself may be told."""
        if self._pieces or self._blocked() or self._end_due > now:
            return None
        return self.end

    def wake_at(self) -> float | None:
        """When time alone lets something pass; None if it never does."""
        if self._blocked():
            return None
        if self._pieces:
            return max(self._pieces[0][0], self._allowed_at)
        return self._end_due if self.end is not None else None

    def _blocked(self) -> bool:
        return self.flow.held or self.stopped

    def _most(self) -> int:
        most = BUFFER_BYTES_MAX
        if self.flow.bytes_per_second < math.inf:
            most = max(1, int(self.flow.bytes_per_second * SLICE_SECONDS))
        if self.flow.reset_after_bytes is not None:
            most = min(most, self.flow.reset_after_bytes - (self.passed - self._counted_from))
        return most

    def _later(self, now: float) -> float:
        """When what comes in now may go on, if what came before it has."""
        flow, jitter = self.flow, self.flow.jitter_seconds
        if not flow.delay_seconds:
            return 0.0
        return (
            now + flow.delay_seconds + (self._chance.uniform(-jitter, jitter) if jitter else 0.0)
        )
