"""The states of sessions, kernels and folders, and the legal transitions between them as data. No msgspec here: `qd` starts fast."""

import enum


class SessionStatus(enum.StrEnum):
    """Where a session is in its life."""

    PENDING = "PENDING"
    SCHEDULED = "SCHEDULED"
    PULLING = "PULLING"
    CREATING = "CREATING"
    RUNNING = "RUNNING"
    RESTARTING = "RESTARTING"
    TERMINATING = "TERMINATING"
    TERMINATED = "TERMINATED"
    CANCELLED = "CANCELLED"


class SessionType(enum.StrEnum):
    """What a session is for: to work in, to run a command to its end, or to keep a command up."""

    INTERACTIVE = "interactive"
    BATCH = "batch"
    INFERENCE = "inference"


class SessionResult(enum.StrEnum):
    """What came of a session that is TERMINATED: a batch session succeeds with exit code 0, another when its user ended it."""

    SUCCESS = "SUCCESS"
    FAILURE = "FAILURE"


class KernelStatus(enum.StrEnum):
    """Where a kernel is in its life."""

    SCHEDULED = "SCHEDULED"
    PULLING = "PULLING"
    CREATING = "CREATING"
    RUNNING = "RUNNING"
    RESTARTING = "RESTARTING"
    TERMINATING = "TERMINATING"
    TERMINATED = "TERMINATED"


_S, _K = SessionStatus, KernelStatus

SESSION_TRANSITIONS: frozenset[tuple[SessionStatus, SessionStatus]] = frozenset(
    {
        (_S.PENDING, _S.SCHEDULED),
        (_S.PENDING, _S.CANCELLED),
        (_S.SCHEDULED, _S.CREATING),
        (_S.SCHEDULED, _S.PENDING),  # its agent went away before the kernel was created
        (_S.SCHEDULED, _S.TERMINATING),
        (_S.SCHEDULED, _S.PULLING),
        (_S.PULLING, _S.CREATING),
        (_S.PULLING, _S.PENDING),  # its agent went away before a kernel was created
        (_S.PULLING, _S.TERMINATING),
        (_S.CREATING, _S.RUNNING),
        (_S.CREATING, _S.TERMINATING),
        (_S.RUNNING, _S.TERMINATING),
        (_S.RUNNING, _S.RESTARTING),
        (_S.RESTARTING, _S.RUNNING),
        (_S.RESTARTING, _S.TERMINATING),
        (_S.TERMINATING, _S.TERMINATED),
    }
)
SESSION_INITIAL = SessionStatus.PENDING
SESSION_TERMINAL = frozenset({SessionStatus.TERMINATED, SessionStatus.CANCELLED})
SESSION_LIVE = frozenset(SessionStatus) - SESSION_TERMINAL

KERNEL_TRANSITIONS: frozenset[tuple[KernelStatus, KernelStatus]] = frozenset(
    {
        (_K.SCHEDULED, _K.CREATING),
        (_K.SCHEDULED, _K.TERMINATING),
        (_K.SCHEDULED, _K.PULLING),
        (_K.PULLING, _K.CREATING),
        (_K.PULLING, _K.TERMINATING),
        (_K.CREATING, _K.RUNNING),
        (_K.CREATING, _K.PULLING),  # its agent has let go of the image meanwhile
        (_K.CREATING, _K.TERMINATING),
        (_K.RUNNING, _K.TERMINATING),
        (_K.RUNNING, _K.RESTARTING),
        (_K.RESTARTING, _K.RUNNING),
        (_K.RESTARTING, _K.TERMINATING),
        (_K.TERMINATING, _K.TERMINATED),
    }
)
KERNEL_INITIAL = KernelStatus.SCHEDULED
KERNEL_TERMINAL = frozenset({KernelStatus.TERMINATED})
KERNEL_LIVE = frozenset(KernelStatus) - KERNEL_TERMINAL


class FolderStatus(enum.StrEnum):
    """Where a folder is in its life."""

    CREATING = "CREATING"
    READY = "READY"
    CLONING = "CLONING"
    TRASHED = "TRASHED"
    PURGING = "PURGING"
    DELETE_ERROR = "DELETE_ERROR"
    GONE = "GONE"


_F = FolderStatus

FOLDER_TRANSITIONS: frozenset[tuple[FolderStatus, FolderStatus]] = frozenset(
    {
        (_F.CREATING, _F.READY),
        (_F.CREATING, _F.GONE),  # it could not be made
        (_F.READY, _F.CLONING),
        (_F.READY, _F.TRASHED),
        (_F.READY, _F.GONE),  # its owner was deleted; so below, but for the last two
        (_F.CLONING, _F.READY),
        (_F.CLONING, _F.GONE),
        (_F.TRASHED, _F.READY),
        (_F.TRASHED, _F.PURGING),
        (_F.TRASHED, _F.GONE),
        (_F.PURGING, _F.DELETE_ERROR),  # the storage failed; it is asked again
        (_F.DELETE_ERROR, _F.PURGING),
        (_F.PURGING, _F.GONE),
        (_F.DELETE_ERROR, _F.GONE),
    }
)
FOLDER_INITIAL = FolderStatus.CREATING
FOLDER_TERMINAL = frozenset({FolderStatus.GONE})
FOLDER_TRASH = frozenset({FolderStatus.TRASHED, FolderStatus.PURGING, FolderStatus.DELETE_ERROR})
FOLDER_LIVE = frozenset(FolderStatus) - FOLDER_TERMINAL
