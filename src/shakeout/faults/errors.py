"""Why a fault is not injected, raised by `lifecycle`; what it waits for in vain is a `WaitTimedOut`.

FaultError
├── ClusterShared      others use the cluster, too
├── FaultUnavailable   it cannot be injected here
└── FaultStuck         injecting or undoing it takes too long
"""


class FaultError(Exception):
    """Something is wrong with a fault itself, not with what it does."""


class ClusterShared(FaultError):
    """A fault on a cluster that other tests use would be theirs, too."""

    def __init__(self, fault: str, cluster: str) -> None:
        """`fault` says in words which one."""
        super().__init__(
            f"{fault}: cluster {cluster} is shared with other tests; take the fixture "
            "`private_cluster` instead of `cluster`"
        )


class FaultUnavailable(FaultError):
    """It cannot be injected here."""

    def __init__(self, fault: str, reason: str) -> None:
        """`reason` is what `available` answered."""
        super().__init__(f"{fault} cannot be injected: {reason}")
        self.reason = reason


class FaultStuck(FaultError):
    """Injecting or undoing it does not come to an end."""

    def __init__(self, act: str, within: float) -> None:
        """`act` says in words what was being done, `within` how many seconds it had."""
        super().__init__(f"{act} has not ended within {within:g} s")
