"""Faults of a member's process: `Kill`, `Restart`, `Pause`, `SlowStart`. Their effect is seen in /proc.

All of them work for each member, component or service, that runs.
"""

import signal
from dataclasses import dataclass, field

from shakeout.faults import health, tree
from shakeout.process import procfs
from shakeout.system.cluster import Cluster
from shakeout.system.progress import State


@dataclass
class Targeted:
    """A fault of one member; the beginning of all faults that have just one."""

    target: str

    @property
    def targets(self) -> tuple[str, ...]:
        """The one member."""
        return (self.target,)

    def available(self, cluster: Cluster) -> str:
        """It must run."""
        member = cluster.member(self.target)
        return "" if member.running else f"{member.name} does not run, it {member.condition}"

    async def missing_recovery(self, cluster: Cluster) -> str:
        """It must answer again."""
        return await health.missing_of(cluster, self.target)


@dataclass
class Deadly(Targeted):
    """A fault of which its target may end, sooner or later: it is then started again, and has not died."""

    def brace(self, cluster: Cluster) -> None:
        """From now on its end is expected. To be called before the fault is done."""
        cluster.process(self.target).expect_exit()

    async def missing_recovery(self, cluster: Cluster) -> str:
        """It must answer; one that has ended is started. From then on its end is a death again."""
        member = cluster.member(self.target)
        if member.process is not None and not member.running and member.process.exit_expected:
            await cluster.start(self.target)
        reason = await super().missing_recovery(cluster)
        if member.process is not None and not reason:
            member.process.exit_expected = False
        return reason


@dataclass
class _Gone(Targeted):
    """Its process is gone until the recovery starts another one."""

    _pid: int = field(default=0, init=False)

    async def inject(self, cluster: Cluster) -> None:
        """Remember who it was, and end it."""
        self._pid = tree.pid(cluster, self.target)
        await self._end(cluster)

    async def missing_effect(self, cluster: Cluster) -> str:  # noqa: ARG002 - asks /proc
        """Its process must be gone."""
        found = procfs.stat(self._pid)
        return f"pid {self._pid} lives, in state {found.state}" if found and found.alive else ""

    async def recover(self, cluster: Cluster) -> None:
        """Start it on its data, at its addresses."""
        await cluster.start(self.target)

    async def missing_recovery(self, cluster: Cluster) -> str:
        """Another process must answer."""
        reason = await super().missing_recovery(cluster)
        if not reason and tree.pid(cluster, self.target) == self._pid:
            return f"it is still pid {self._pid}"
        return reason

    async def _end(self, cluster: Cluster) -> None:
        raise NotImplementedError


class Kill(_Gone):
    """SIGKILL: it ends in the middle of whatever it does."""

    name = "kill"

    async def _end(self, cluster: Cluster) -> None:
        await cluster.kill(self.target)


class Restart(_Gone):
    """It is asked to end, as by an administrator, and started again at the end of the block."""

    name = "restart"

    async def _end(self, cluster: Cluster) -> None:
        await cluster.stop(self.target)


class Pause(Targeted):
    """SIGSTOP to it and all that it started, as if its machine froze; SIGCONT at the end."""

    name = "pause"

    async def inject(self, cluster: Cluster) -> None:
        """Stop all of its processes."""
        tree.stop(tree.pid(cluster, self.target))

    async def missing_effect(self, cluster: Cluster) -> str:
        """The kernel must tell that all of them are stopped."""
        moving = [
            one for one in tree.living(tree.pid(cluster, self.target)) if one.state != tree.STOPPED
        ]
        return ", ".join(f"{one.comm} (pid {one.pid}) is in state {one.state}" for one in moving)

    async def recover(self, cluster: Cluster) -> None:
        """Let them go on, if they still live."""
        member = cluster.member(self.target)
        if member.process is not None and member.running:
            tree.resume(member.process.pid)


class SlowStart(Targeted):
    """It is restarted, and its start hangs until the end of the block: it lives, but does not answer."""

    name = "slow-start"

    async def inject(self, cluster: Cluster) -> None:
        """Stop it gracefully, launch it again, and stop that process at its first steps."""
        await cluster.stop(self.target)
        await cluster.begin(self.target)
        await cluster.process(self.target).signal(signal.SIGSTOP)

    async def missing_effect(self, cluster: Cluster) -> str:
        """A new process must be there, stopped, before it was ready."""
        member = cluster.member(self.target)
        found = procfs.stat(tree.pid(cluster, self.target))
        if member.state is not State.STARTING:
            return f"it is {member.state}"
        return "" if found and found.state == tree.STOPPED else f"its process is {found}"

    async def recover(self, cluster: Cluster) -> None:
        """Let the start go on, and wait until it is done."""
        member = cluster.member(self.target)
        if member.process is not None and member.running:
            tree.resume(member.process.pid)
        await cluster.start(self.target)
