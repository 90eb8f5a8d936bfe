"""One headline figure: samples of ours and of the peer, taken in turn, with the floor and the goal that they are judged by."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Figure:
    """Samples are in `unit`; `more_is_better` for rates. `goal` and `floor` are sizes, not bounds: machines differ."""

    name: str
    unit: str
    ours: Sequence[float]
    goal: float
    floor: str = ""
    peer_name: str = ""
    peer: Sequence[float] = field(default_factory=tuple)
    quantile: float = 0.5
    more_is_better: bool = False

    @property
    def our_value(self) -> float:
        """The quantile of ours."""
        return quantile(self.ours, self.quantile)

    @property
    def peer_value(self) -> float | None:
        """The quantile of the peer's; None without one."""
        return quantile(self.peer, self.quantile) if self.peer else None

    @property
    def ratio(self) -> float | None:
        """How many times better ours is than the peer's."""
        if self.peer_value is None:
            return None
        better, worse = (
            (self.our_value, self.peer_value)
            if self.more_is_better
            else (self.peer_value, self.our_value)
        )
        return better / worse

    @property
    def met(self) -> bool:
        """Whether the goal is reached."""
        if self.more_is_better:
            return self.our_value >= self.goal
        return self.our_value <= self.goal


def quantile(samples: Sequence[float], at: float) -> float:
    """Interpolated quantile; of one sample that sample."""
    if len(samples) == 1:
        return samples[0]
    if at == 0.5:
        return statistics.median(samples)
    ordered = sorted(samples)
    place = at * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)
