"""How a wait ends without what it waited for; raised by `shakeout.waiting.until`.

WaitingError
├── WaitTimedOut     the time was up
└── WaitHopeless     what was seen can no longer become what was waited for
"""


class WaitingError(Exception):
    """A wait ended without what it waited for."""

    def __init__(self, what: str, seconds: float, evidence: str) -> None:
        """`seconds` is how long the wait had lasted; `evidence` is printed as it is."""
        super().__init__(what, seconds, evidence)
        self.what = what
        self.seconds = seconds
        self.evidence = evidence

    def __str__(self) -> str:
        return f"{self.headline()}\n{self.evidence}".rstrip()

    def headline(self) -> str:
        return f"waited {self.seconds:.3f} s for: {self.what}"


class WaitTimedOut(WaitingError):
    """The time was up. `nearest` tells in words how near it came, or what was seen last."""

    def __init__(self, what: str, seconds: float, evidence: str, nearest: str = "") -> None:
        super().__init__(what, seconds, evidence)
        self.nearest = nearest

    def headline(self) -> str:
        return f"timed out: {super().headline()}"


class WaitHopeless(WaitingError):
    """What was seen can no longer become what was waited for."""

    def __init__(self, what: str, seconds: float, evidence: str, cause: str) -> None:
        super().__init__(what, seconds, evidence)
        self.cause = cause

    def headline(self) -> str:
        return f"hopeless: {super().headline()}\n  cause: {self.cause}"
