"""How a link behaves: what happens to bytes in either direction, and to connections. Frozen and pure.

    Behaviour(forth=Flow(delay_seconds=0.05, jitter_seconds=0.01))
    Behaviour.black_hole()

`forth` is the direction from the source of a link, who connects, to its target, who listens.
"""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, Self


@dataclasses.dataclass(frozen=True)
class Flow:
    """What happens to the bytes of one direction; by default they pass as fast as they can."""

    delay_seconds: float = 0.0
    jitter_seconds: float = 0.0
    """Each piece is late by the delay plus or minus up to this; bytes never overtake each other."""
    bytes_per_second: float = math.inf
    held: bool = False
    """Nothing passes and nothing is told, neither an end nor a reset; what was held passes after the restoration."""
    reset_after_bytes: int | None = None
    """Of each connection, counted from when this was set; then it is reset."""

    def __post_init__(self) -> None:
        if not 0 <= self.jitter_seconds <= self.delay_seconds < math.inf:
            raise ValueError("a delay is finite, and its jitter is not longer than it")
        if not self.bytes_per_second > 0:
            raise ValueError(
                "bytes per second are more than 0: to let nothing pass, hold the flow"
            )
        if self.reset_after_bytes is not None and self.reset_after_bytes < 0:
            raise ValueError("bytes before the reset are not negative")

    @property
    def plain(self) -> bool:
        """Whether bytes pass untouched."""
        return self == PLAIN


PLAIN = Flow()


@dataclasses.dataclass(frozen=True)
class Behaviour:
    """How a link behaves from now on, towards connections that are open, too."""

    forth: Flow = PLAIN
    back: Flow = PLAIN
    cut: bool = False
    """Open connections are reset, and new ones, too."""

    @classmethod
    def severed(cls) -> Self:
        """Everybody is told at once that nothing goes."""
        return cls(cut=True)

    @classmethod
    def black_hole(cls) -> Self:
        """Connections are accepted and live on, nothing passes, nobody is told."""
        return cls(forth=Flow(held=True), back=Flow(held=True))

    @classmethod
    def deaf_target(cls) -> Self:
        """What the source sends does not arrive; a new connection does not even begin."""
        return cls(forth=Flow(held=True))

    @classmethod
    def deaf_source(cls) -> Self:
        """What the source sends arrives, and it never hears an answer."""
        return cls(back=Flow(held=True))

    @classmethod
    def delayed(cls, seconds: float, jitter_seconds: float = 0.0) -> Self:
        """Either direction is late by so much: a round trip takes twice as much longer."""
        flow = Flow(delay_seconds=seconds, jitter_seconds=jitter_seconds)
        return cls(forth=flow, back=flow)

    @classmethod
    def slowed(cls, bytes_per_second: float) -> Self:
        """Either direction of each connection passes at most so many bytes a second."""
        flow = Flow(bytes_per_second=bytes_per_second)
        return cls(forth=flow, back=flow)

    @classmethod
    def dropping_after(cls, count: int) -> Self:
        """Each connection is reset after so many bytes in one of its directions."""
        return cls(forth=Flow(reset_after_bytes=count), back=Flow(reset_after_bytes=count))


def encode(behaviour: Behaviour) -> dict[str, Any]:
    """As a part of a JSON message: what differs from the default, since JSON has no infinity."""
    told: dict[str, Any] = {"cut": behaviour.cut}
    for direction, flow in (("forth", behaviour.forth), ("back", behaviour.back)):
        fields = dataclasses.asdict(flow)
        told[direction] = {
            name: one for name, one in fields.items() if one != getattr(PLAIN, name)
        }
    return told


def decode(told: Mapping[str, Any]) -> Behaviour:
    """The opposite of `encode`. Raises ValueError, TypeError for what is no behaviour."""
    return Behaviour(Flow(**told["forth"]), Flow(**told["back"]), cut=told["cut"])


def describe(behaviour: Behaviour) -> str:
    """In words, for people: `forth: held`."""
    if behaviour == Behaviour():
        return "plain"
    told = encode(behaviour)
    words = [] if not behaviour.cut else ["cut"]
    for direction in ("forth", "back"):
        if fields := told[direction]:
            listed = ", ".join(
                name if one is True else f"{name} {one:g}" for name, one in fields.items()
            )
            words.append(f"{direction}: {listed}")
    return "; ".join(words)
