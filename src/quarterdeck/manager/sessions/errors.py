"""What can be wrong with a session or with the agent that runs it.

QuarterdeckError
├── SessionNotFound
├── SessionNameTaken
├── SessionLost          it was to begin at once, and the database has forgotten it in a crash
├── SessionUnsure        it was made, and the database did not say whether it would outlive a crash
├── SessionNotRunning
├── SessionRestarting     it is being restarted
├── SessionNotRestartable a batch session is its command: again would be another
├── KernelRestarted       what ran in the kernel ended when it was restarted
├── SessionTakesNoCode
├── KernelNotFound      no kernel of the session has this hostname
├── SessionBusy
├── RunNotFound, RunForgotten, RunConflict, InputNotWanted     what the kernel says of a run
├── TerminalNotFound
├── TerminalRefused      the agent opens no terminal; `code` of its problem
├── FolderNotMountable   a folder of the mounts is not there, or not the owner's
├── DependencyNotFound  a session to wait for is not there, or not the owner's
├── ImageNotFound
├── SlotsBelowMinimum   the image wants more
├── OwnerGone            the user was deleted while the request was under way
├── TooManyWaiters
└── AgentFailure         a call to an agent did not succeed
    ├── AgentUnreachable   it was not done: nobody answered, or not in a sane way
    ├── AgentUnsure        it may have been done; ask
    └── AgentRefused       the agent said no; `code` of its problem
"""

from quarterdeck.base.errors import QuarterdeckError


class SessionNotFound(QuarterdeckError):
    """There is no such session."""

    code = "session-not-found"


class SessionNameTaken(QuarterdeckError):
    """A live session has this name."""

    code = "session-name-taken"


class SessionLost(QuarterdeckError):
    """The database has lost it while it was being made: it was not made."""

    code = "unavailable"


class SessionUnsure(QuarterdeckError):
    """The session was made, but the database did not say that it is on disk: look for it."""

    code = "outcome-unknown"


class SessionNotRunning(QuarterdeckError):
    """The session is not running."""

    code = "session-not-running"


class SessionRestarting(QuarterdeckError):
    """The session is being restarted."""

    code = "session-restarting"


class SessionNotRestartable(QuarterdeckError):
    """A batch session runs its command once; make another session to run it again."""

    code = "session-not-restartable"


class KernelRestarted(QuarterdeckError):
    """The kernel was restarted; what ran in it is gone."""

    code = "kernel-restarted"


class SessionTakesNoCode(QuarterdeckError):
    """The session runs a command and takes no code."""

    code = "session-takes-no-code"


class KernelNotFound(QuarterdeckError):
    """The session has no such kernel."""

    code = "kernel-not-found"


class SessionBusy(QuarterdeckError):
    """The session is executing something else."""

    code = "kernel-busy"


class RunNotFound(QuarterdeckError):
    """The session knows no such run."""

    code = "run-not-found"


class RunForgotten(QuarterdeckError):
    """The run is over, and what came of it is not kept any more."""

    code = "run-forgotten"


class RunConflict(QuarterdeckError):
    """A run with this id was asked for with other code."""

    code = "run-conflict"


class InputNotWanted(QuarterdeckError):
    """The run does not ask for this input."""

    code = "input-not-wanted"


class TerminalNotFound(QuarterdeckError):
    """There is no such terminal open in the session."""

    code = "terminal-not-found"


class TerminalRefused(QuarterdeckError):
    """The agent opens no terminal."""

    def __init__(self, code: str, detail: str) -> None:
        """Take the code and the words of the agent's problem."""
        super().__init__(detail)
        self.code = code  # type: ignore[misc]  # one condition for callers, several reasons for people


class FolderNotMountable(QuarterdeckError):
    """There is no such folder to mount."""

    code = "folder-not-found"


class DependencyNotFound(QuarterdeckError):
    """There is no such session to wait for."""

    code = "session-not-found"


class ImageNotFound(QuarterdeckError):
    """There is no such image."""

    code = "image-not-found"


class SlotsBelowMinimum(QuarterdeckError):
    """The image needs more slots."""

    code = "slots-below-minimum"


class OwnerGone(QuarterdeckError):
    """The user was deleted."""

    code = "key-inactive"


class TooManyWaiters(QuarterdeckError):
    """Too many requests wait for history already."""

    code = "too-many-requests"


class AgentFailure(QuarterdeckError):
    """A call to an agent did not succeed."""

    code = "agent-unreachable"


class AgentUnreachable(AgentFailure):
    """The agent cannot be reached; nothing was done."""


class AgentUnsure(AgentFailure):
    """Whether the agent did it is not known."""

    code = "outcome-unknown"


class AgentRefused(AgentFailure):
    """The agent refused."""

    def __init__(self, refusal: str, detail: str) -> None:
        """Keep the code of the agent's problem as `refusal`."""
        super().__init__(f"The agent refused: {detail}")
        self.refusal = refusal

    @property
    def lacks_image(self) -> bool:
        """Whether it refused because it does not have the image, or not any more."""
        return self.refusal == "image-not-here"
