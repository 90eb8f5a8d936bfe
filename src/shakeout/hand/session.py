"""A system that runs and can be worked with by hand: who it is, and its state for the commands.

Held by `shakeout up`, and by a pytest run with `--keep`. `control` takes the requests.
"""

import os
from dataclasses import dataclass

from shakeout.hand import state
from shakeout.hand.state import MemberState, UpState
from shakeout.process import procfs
from shakeout.process.handle import Process
from shakeout.system.cluster import Cluster
from shakeout.system.member import Member
from shakeout.system.progress import State


@dataclass(frozen=True)
class Session:
    """One cluster under a name; `origin` is where its system was declared, in words."""

    name: str
    origin: str
    cluster: Cluster

    def publish(self) -> UpState:
        """Write the state as it is now, for the other commands."""
        found = self.state()
        state.write(found)
        return found

    def state(self) -> UpState:
        """Members, their processes and addresses, and the environment to talk to them."""
        own = procfs.stat(os.getpid())
        members = tuple(_member(one) for one in self.cluster.members.values())
        if links := self.cluster.links:
            members += (_proxy(links.process),)
        hints = self.cluster.system.hints
        return UpState(
            name=self.name,
            target=self.origin,
            pid=os.getpid(),
            started=own.started if own else 0,
            directory=str(self.cluster.directory),
            members=members,
            environment=hints(self.cluster) if hints else addresses(members),
        )


def addresses(members: tuple[MemberState, ...]) -> dict[str, str]:
    """Environment for a system that declares no hints: `MANAGER_URL`, `AGENT_1_URL`. Pure."""
    return {
        f"{one.name.upper().replace('-', '_')}_URL": one.address for one in members if one.address
    }


def free_name(wanted: str, taken: list[str]) -> str:
    """The name, or with a number behind it if it is taken. Pure."""
    candidates = (wanted, *(f"{wanted}-{number}" for number in range(2, len(taken) + 3)))
    return next(one for one in candidates if one not in taken)


def _member(member: Member) -> MemberState:
    runs = member.process is not None and member.running
    return MemberState(
        name=member.name,
        state=str(member.state),
        pid=member.process.pid if member.process and runs else 0,
        address=member.addresses.get("", ""),
        log=str(member.log),
        kind="component" if member.is_component else type(member.runner).__name__.lower(),
    )


def _proxy(process: Process) -> MemberState:
    """The links are no member, but cost something and have a log."""
    return MemberState(
        name=process.name,
        state=str(State.READY if process.running else State.FAILED),
        pid=process.pid if process.running else 0,
        address="",
        log=str(process.log),
        kind=process.name,
    )
