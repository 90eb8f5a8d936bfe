"""Faults of a component's time of day: it runs too fast, or jumps. Its monotonic clock stays, as it does on a real machine.

They apply to components that declare `clock=True`; the effect is what the component itself notes when it reads its
clock, see `shakeout.system.clockfile`. Asking for its readiness must make it read its clock.
"""

import time
from dataclasses import dataclass, field
from pathlib import Path

from shakeout.faults import health
from shakeout.faults.process import Targeted
from shakeout.system import clockfile
from shakeout.system.clockfile import Shift
from shakeout.system.cluster import Cluster
from shakeout.system.runner import ComponentRunner

SKEW_RATE = 2.0
JUMP_SECONDS = 3600.0
DEVIATION_SECONDS_MIN = 0.001


@dataclass
class _Shifted(Targeted):
    """A clock that deviates for the time of a block."""

    _since: float = field(default=0.0, init=False)
    """When the clock was last changed, seconds since 1970."""

    def available(self, cluster: Cluster) -> str:
        """Only a component that honours the file."""
        runner = cluster.member(self.target).runner
        if not isinstance(runner, ComponentRunner):
            return "it is a service, and reads the machine's clock"
        return super().available(cluster) or (
            "" if runner.component.clock else "it does not declare clock=True"
        )

    async def inject(self, cluster: Cluster) -> None:
        """Change the file."""
        self._change(cluster, self._shift())

    async def missing_effect(self, cluster: Cluster) -> str:
        """It must have told a time that is not the machine's."""
        return await self._unread(cluster) or (
            "" if self._deviates(cluster) else "it told the machine's time"
        )

    async def recover(self, cluster: Cluster) -> None:
        """Set the clock right, at once."""
        self._change(cluster, Shift())

    async def missing_recovery(self, cluster: Cluster) -> str:
        """It must have told the machine's time, and answer."""
        reason = await super().missing_recovery(cluster) or await self._unread(cluster)
        return reason or ("it still tells another time" if self._deviates(cluster) else "")

    def _shift(self) -> Shift:
        raise NotImplementedError

    def _change(self, cluster: Cluster, shift: Shift) -> None:
        self._since = time.time()  # noqa: TID251 - the component's clock is made of this one
        clockfile.write(self._file(cluster), shift._replace(since=self._since))

    async def _unread(self, cluster: Cluster) -> str:
        """Empty when it has read its clock since the change, which a question makes it do."""
        await health.missing_of(cluster, self.target)
        read = clockfile.read(self._file(cluster)).real
        return "" if read > self._since else "it has not read its clock since"

    def _deviates(self, cluster: Cluster) -> bool:
        reading = clockfile.read(self._file(cluster))
        return abs(reading.told - reading.real) >= DEVIATION_SECONDS_MIN

    def _file(self, cluster: Cluster) -> Path:
        return cluster.member(self.target).place.directory / clockfile.NAME


@dataclass
class ClockSkew(_Shifted):
    """Its clock runs at another rate, and so goes ever further away from the others."""

    name = "clock-skew"
    rate: float = SKEW_RATE

    def _shift(self) -> Shift:
        return Shift(rate=self.rate)


@dataclass
class ClockJump(_Shifted):
    """Its clock jumps by so many seconds, forwards or backwards, and back again at the end."""

    name = "clock-jump"
    seconds: float = JUMP_SECONDS

    def _shift(self) -> Shift:
        return Shift(offset=self.seconds)
