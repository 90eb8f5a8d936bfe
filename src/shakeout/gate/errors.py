"""Why the gate cannot judge; see `manifest`, `reports` and `collected`.

GateError
├── ManifestMissing
├── ManifestBroken      it does not hold what it should
├── ReportsMissing      nothing was found where the reports should be
├── ReportUnreadable    a report is no JUnit XML, for instance because its writer was killed
├── NothingUnder        a directory that was asked for holds no test
└── CollectionFailed    pytest cannot list all tests
"""

from pathlib import Path


class GateError(Exception):
    """The gate cannot judge, which is as bad as red."""


class ManifestMissing(GateError):
    """There is no manifest."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"no manifest at {path}: write it by python -m shakeout.gate --update")


class ManifestBroken(GateError):
    """The manifest does not hold what it should."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}; write it by python -m shakeout.gate --update")


class ReportsMissing(GateError):
    """Nothing was found where the reports should be."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"no test report in {path}: nothing ran, or it wrote its reports elsewhere"
        )


class ReportUnreadable(GateError):
    """A report is no JUnit XML, for instance because its writer was killed."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path} is no readable JUnit XML: {reason}")


class NothingUnder(GateError):
    """A directory that was asked for holds no test, neither listed nor run: nothing would be judged."""

    def __init__(self, directory: str) -> None:
        super().__init__(f"no test below {directory}: say it as the manifest does, from its root")


class CollectionFailed(GateError):
    """Pytest cannot list all tests."""
