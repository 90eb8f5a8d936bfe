"""What sessions need of the world: their store, the books that the lifecycle works by, the agents, the folders, somebody to wake."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from quarterdeck.base.tasks import Wake
from quarterdeck.manager.identity.model import Principal
from quarterdeck.manager.sessions import model
from quarterdeck.manager.sessions.naming import Holder
from quarterdeck.manager.sessions.outlook import Situation
from quarterdeck.manager.sessions.termination import Termination
from quarterdeck.manager.sessions.watch import Over, Ran, Watch
from quarterdeck.wire import agents, executions, sessions


class Sessions(Protocol):
    """Sessions as their owners see them."""

    async def insert(self, new: model.NewSession) -> model.Inserted:
        """Add a session that is PENDING, or has begun if it has no mounts, nobody else waits and there is room.

        Raises `SessionNameTaken`, `ImageNotFound`, `DependencyNotFound`, `FolderNotMountable`, `OwnerGone`.
        """
        ...

    async def named(self, owner: str, name: str) -> Holder | None:
        """Return a user's live session of a name."""
        ...

    async def view(self, session: str) -> sessions.SessionView | None:
        """Return a session."""
        ...

    async def list(
        self, owner: str, query: sessions.SessionQuery
    ) -> Sequence[sessions.SessionView]:
        """Return sessions of a user, the newest first, a thousand at most."""
        ...

    async def flush(self, session: str) -> bool:
        """Have a session that was added on disk when this returns; False: the database has lost it. Raises `SessionUnsure`."""
        ...

    async def terminate(self, session: str, by: Principal) -> Termination:
        """End a session that lives, if the user may: PENDING becomes CANCELLED, anything before TERMINATING becomes that.

        Returns its kernels, which have to end for it.
        """
        ...

    async def restart(self, session: str, by: Principal) -> Sequence[model.Due]:
        """RUNNING -> RESTARTING, if the user may; return its kernels, which have to be made anew; none: it was not RUNNING. Raises `FolderNotMountable`."""
        ...

    async def force_end(self, session: str, by: Principal) -> bool:
        """End a session at once, if the user may and it lives; what its agents still have is a `Removal` each. Tells whether there is any."""
        ...


class Lookups(Protocol):
    """Quick reads about one session."""

    async def history(self, session: str, after: int) -> model.Recorded | None:
        """Return the changes of a session and its kernels after a sequence number, in order, a thousand at most; None: no session."""
        ...

    async def route(self, session: str, hostname: str) -> model.Route | None:
        """Return where a kernel of a session runs."""
        ...

    async def kept_logs(self, session: str) -> sessions.Logs | None:
        """Return what a session had written, if that was kept."""
        ...

    async def situation(self, session: str) -> Situation | None:
        """Return what a PENDING session waits for, and what agents have; None: it is not PENDING."""
        ...


class Books(Protocol):
    """What the lifecycle reads and writes about sessions and their kernels. Each call is one transaction."""

    async def due(self) -> Sequence[model.Due]:
        """Return kernels on ALIVE agents that need something and that no manager has claimed, some hundreds: the next call goes on after them."""
        ...

    async def claim(self, kernel: str) -> model.Work | None:
        """Claim a kernel that needs something from its agent (SCHEDULED becomes CREATING); None: nothing, or not ours to do."""
        ...

    async def release_all(self) -> None:
        """Give back what an earlier life of this manager had claimed."""
        ...

    async def release(self, work: model.Work) -> None:
        """Give a claim back: it is to be tried again."""
        ...

    async def pulling(self, work: model.Work, image: agents.AgentImage) -> None:
        """SCHEDULED -> PULLING, or how far it has come since; the claim is given back."""
        ...

    async def pulled(self, work: model.Work, image: agents.AgentImage) -> bool:
        """SCHEDULED or PULLING -> CREATING, and the session with the first kernel; False if it is to end meanwhile."""
        ...

    async def pull_again(self, work: model.Work) -> bool:
        """CREATING -> PULLING: the agent has let go of the image; False if it is to end meanwhile, or this has happened too often."""
        ...

    async def running(self, work: model.Work, isolation: sessions.IsolationLevel) -> Ran | None:
        """CREATING or RESTARTING -> RUNNING, and with the last kernel the session; None if it is neither any more, or is restarted anew."""
        ...

    async def ending(
        self, kernel: str, end: model.End, actor: str, *, generation: int
    ) -> Sequence[model.Due]:
        """Make the session of a live kernel TERMINATING, with all its kernels, and return them; none if it was not before that, or was restarted since `generation`.

        Keeps claims. In a cluster the session's detail names the kernel.
        """
        ...

    async def keep_logs(self, session: str, logs: sessions.Logs) -> None:
        """Keep what a session has written; what was kept first stays."""
        ...

    async def ended(self, work: model.Work) -> Over | None:
        """TERMINATING -> TERMINATED, and with the last kernel the session; the slots come free. None: the session is not over, or was before."""
        ...


class Ledger(Protocol):
    """What the reconciler reads and writes about the kernels of agents."""

    async def alive(self) -> Sequence[model.Place]:
        """Return the agents that answer."""
        ...

    async def place(self, agent: str) -> model.Place | None:
        """Return an agent, if it is alive."""
        ...

    async def running_on(self, agent: str) -> Sequence[model.Running]:
        """Return the kernels that are RUNNING on an agent."""
        ...

    async def agent_of_running(self, kernel: str) -> str | None:
        """Return the agent of a kernel that is RUNNING."""
        ...

    async def orphans(self, kernels: Sequence[str]) -> Sequence[str]:
        """Return those of the kernels that are TERMINATED or not known at all."""
        ...

    async def settle_lost(self) -> Sequence[str]:
        """End kernels of LOST agents: sessions not yet begun wait again, others end. Returns the sessions; none: all done."""
        ...


class Kernels(Protocol):
    """The agents. Each call raises `AgentUnreachable`, `AgentUnsure`, `AgentRefused`; the caller owns the deadline."""

    async def create(
        self, address: str, kernel: str, request: agents.KernelCreate
    ) -> agents.KernelView:
        """Make a kernel; the same again returns it as it is."""
        ...

    async def destroy(self, address: str, kernel: str) -> None:
        """End a kernel, with all that belongs to it; nothing happens if it is not there."""
        ...

    async def inventory(self, address: str) -> Mapping[str, agents.KernelView]:
        """Return all kernels by id."""
        ...

    async def logs(self, address: str, kernel: str) -> sessions.Logs:
        """Return what a kernel has written."""
        ...


class Runs(Protocol):
    """What runs in kernels. Each call raises `AgentUnreachable`, `AgentUnsure`, `AgentRefused`; the caller owns the deadline.

    What the kernel says of itself and of its runs is raised by its own name: `SessionNotRunning`, `SessionBusy`, `RunNotFound` and others.
    """

    async def execute(
        self, address: str, kernel: str, run: str, given: executions.Execute
    ) -> executions.Execution:
        """Run code or a command in a kernel under an id; the same again is the same run."""
        ...

    async def look(
        self, address: str, kernel: str, run: str, query: executions.RunQuery
    ) -> executions.Execution:
        """Return what has come of a run, after some time if there is nothing new."""
        ...

    async def reply(self, address: str, kernel: str, run: str, given: executions.Input) -> None:
        """Give a run input."""
        ...

    async def interrupt(self, address: str, kernel: str, given: executions.Interrupt) -> None:
        """Interrupt a run, or whatever runs."""
        ...

    async def complete(
        self, address: str, kernel: str, given: executions.Complete
    ) -> executions.Completion:
        """Return how code could go on."""
        ...

    async def logs(self, address: str, kernel: str) -> sessions.Logs:
        """Return what a kernel has written."""
        ...


class MountSources(Protocol):
    """Whoever knows what folders a user may mount, and where they lie on the agents."""

    async def sources(self, by: Principal, mounts: Sequence[sessions.Mount]) -> tuple[str, ...]:
        """Return the directories of the folders, in the order of the mounts. Raises a `QuarterdeckError`, with the field, for one that cannot be mounted so."""
        ...


class Driver(Protocol):
    """Whoever does what kernels need from their agents."""

    def drive(self, agent: str, session: str, kernel: str, *, watch: Watch | None = None) -> None:
        """Look after a kernel soon, and tell who watches. Never blocks."""
        ...

    def expecting(self, session: str, watch: Watch) -> AbstractContextManager[None]:
        """Have who watches a session told, if its kernel comes to be driven here within a block."""
        ...

    @property
    def has_turn(self) -> bool:
        """Whether a kernel that begins now is asked for at once."""
        ...

    def go_on(self, work: model.Work, *, watch: Watch | None = None) -> None:
        """Go on soon with a kernel that is claimed already, and tell who watches. Never blocks."""
        ...


class News(Protocol):
    """Whoever wakes the loops of this manager and of the others. No call blocks."""

    def created(self, session: str) -> None:
        """A session waits for a place."""
        ...

    def ended(self, session: str) -> None:
        """A kernel has ended for its session: slots have come free, if somebody waits for them."""
        ...

    def freed(self, session: str) -> None:
        """A session has ended, or waits again: slots may have come free."""
        ...

    def forced(self, session: str) -> None:
        """A session was ended by force: slots have come free, and kernels are left to be destroyed."""
        ...


class History(Protocol):
    """Wakes those who wait for the history of a session."""

    def waiting(self, session: str, wake: Wake) -> AbstractContextManager[object]:
        """Ring an alarm when the session has changed, perhaps more often, for the time of a block."""
        ...
