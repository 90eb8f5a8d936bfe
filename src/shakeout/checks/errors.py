"""What the checks after a test may find; raised by `shakeout.fixtures`.

CheckFailed
├── Leaked                 the test left something behind
├── CouldNotLook           a probe did not answer: nobody knows whether something was left
├── SharedClusterChanged   the test stopped or replaced a member of the cluster that others use, too
└── DiedBetweenTests       a component died while no test ran
"""

from collections.abc import Sequence

from shakeout.checks.leaks import Leak, table


class CheckFailed(Exception):
    """A test did what no test may do, or something happened between tests."""


class Leaked(CheckFailed):
    """The test left something behind; the next one gets a new cluster."""

    def __init__(self, leaks: Sequence[Leak], waited_seconds: float) -> None:
        super().__init__(
            f"the test left {len(leaks)} thing{'s' if len(leaks) > 1 else ''} behind "
            f"(looked for {waited_seconds:.1f} s):\n{table(leaks)}"
        )
        self.leaks = tuple(leaks)


class CouldNotLook(CheckFailed):
    """A probe did not answer: nobody knows whether something was left. No fault of the test."""

    def __init__(self, probes: Sequence[str], seconds: float) -> None:
        names = " and ".join(probes)
        super().__init__(
            f"could not look: {names} had not answered after {seconds:.1f} s (the test may be innocent)"
        )
        self.probes = tuple(probes)


class SharedClusterChanged(CheckFailed):
    """The test stopped or replaced a member of the cluster that others use, too."""

    def __init__(self, changes: Sequence[str]) -> None:
        super().__init__(
            f"the shared cluster was changed: {', '.join(changes)}. "
            "A test that breaks things takes `private_cluster` in place of `cluster`"
        )


class DiedBetweenTests(CheckFailed):
    """A component died while no test ran; the test that gets this error is innocent."""

    def __init__(self, death: BaseException, nodeid: str) -> None:
        super().__init__(
            f"died after {nodeid} had ended, before this test began (which got a new cluster and is "
            f"innocent):\n{death}"
        )
        self.nodeid = nodeid
