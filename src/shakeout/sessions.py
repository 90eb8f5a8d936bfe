"""The session as a whole: collects how each test ended, and writes the session's page, its part and the ledger.

Only where reports arrive: in the one process, or in the controller of pytest-xdist's workers, which hand over all they
know in the properties of reports.
"""

import json
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from shakeout import evidence, harness, late, settings

if TYPE_CHECKING:
    from shakeout.report.session import Entry, Session

BOOT_PROPERTY = "cluster_boot_seconds"
CRASHED = "???"
"""The phase of a report that pytest-xdist makes for a test whose worker died."""


class Sessions:
    """Collects reports; registered once a process."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._told: dict[str, dict[str, str]] = {}
        self._seconds: dict[str, float] = {}
        self._boots: list[float] = []
        self._began = 0.0
        self.lines: list[str] = []
        self._late: BaseException | None = None

    def pytest_sessionstart(self) -> None:
        from shakeout.timeline import moment  # noqa: PLC0415 - cheap, but not for `pytest --help`

        self._began = moment.now()

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Give each worker of pytest-xdist the name of this session."""
        node.workerinput["shakeout_session"] = harness.of(self._config).session_name

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        seconds = self._seconds.get(report.nodeid, 0.0) + getattr(report, "duration", 0.0)
        self._seconds[report.nodeid] = seconds
        if report.when == "teardown":
            told = {name: str(value) for name, value in report.user_properties}
            self._told[report.nodeid] = told
            if BOOT_PROPERTY in told:
                self._boots.append(float(told[BOOT_PROPERTY]))
        elif report.when == CRASHED:
            cause = f"The process that ran it ended: {report.longreprtext.splitlines()[-1]}"
            self._told[report.nodeid] = {evidence.VERDICT: "unknown", evidence.CAUSE: cause}

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_sessionfinish(self, exitstatus: int) -> Generator[None, object, object]:
        """Write what somebody may want to see, and nothing where nobody asked and nothing failed.

        A run that was ended keeps its exit code, and its summary, though a fixture's clean-up raises something as its last act.
        """
        result: object = None
        try:
            result = yield
        except late.TOLD as error:
            if exitstatus == pytest.ExitCode.OK or hasattr(self._config, "workerinput"):
                raise
            self._late = error
        self._finish()
        return result

    def _finish(self) -> None:
        if hasattr(self._config, "workerinput"):
            return
        self._told |= harness.of(self._config).interrupted
        if self._worth_telling():
            self._write()
        if any(evidence.SYSTEM in told for told in self._told.values()):
            self._remember()

    def _write(self) -> None:
        from shakeout.report import build, session, session_page  # noqa: PLC0415 - seldom needed

        directory = evidence.directory(self._config)
        found = self._session(directory)
        try:
            own = session.write_part(found, directory)
            page = build.write_session(own, self._ledger())
        except OSError as error:
            harness.of(self._config).troubles.append(f"no page of the session: {error}")
        else:
            self.lines = [f"verdicts: {session_page.summary(found)}", f"session page: {page}"]

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self._late is not None:
            late.show(terminalreporter, self._late)
        for line in [*self.lines, *harness.of(self._config).troubles]:
            terminalreporter.write_line(f"shakeout: {line}")

    def _worth_telling(self) -> bool:
        """A failed test, evidence that was asked for, or a place for it that somebody names."""
        verdicts = [told.get(evidence.VERDICT, "") for told in self._told.values()]
        used = any(evidence.SYSTEM in told for told in self._told.values())
        failed = any(verdict not in ("passed", "skipped") for verdict in verdicts)
        asked = (
            self._config.getoption("--evidence") == evidence.ALL
            or self._config.getoption("--shakeout-report") is not None
            or settings.read().report is not None
        )
        return failed or (used and asked)

    def _session(self, directory: Path) -> "Session":
        from shakeout.report import session  # noqa: PLC0415 - seldom needed
        from shakeout.timeline import moment  # noqa: PLC0415 - as above

        made = harness.of(self._config)
        own = directory / made.session_name
        return session.Session(
            made.session_name,
            made.seed,
            self._began,
            moment.now(),
            tuple(self._entry(nodeid, told, own) for nodeid, told in self._told.items()),
            tuple(self._boots),
        )

    def _entry(self, nodeid: str, told: dict[str, str], own: Path) -> "Entry":
        from shakeout.report import injections, session  # noqa: PLC0415 - seldom needed

        page = Path(told.get(evidence.PAGE, ""))
        faults = json.loads(told.get(evidence.FAULTS, "[]"))
        return session.Entry(
            nodeid,
            told.get(evidence.VERDICT, "unknown"),
            told.get(evidence.CAUSE, ""),
            self._seconds.get(nodeid, 0.0),
            str(page.relative_to(own)) if page.is_relative_to(own) else "",
            told.get(evidence.RERUN, ""),
            told.get(evidence.SYSTEM, ""),
            tuple(map(injections.Injected.from_json, faults)),
        )

    def _ledger(self) -> Path:
        from shakeout.report import ledger  # noqa: PLC0415 - seldom needed

        given: Path | None = self._config.getoption("--outcomes")
        return given or settings.read().cache / ledger.FILE

    def _remember(self) -> None:
        """Tests without a cluster do not flake often enough to be worth a line."""
        from shakeout.report import ledger  # noqa: PLC0415 - unit tests remember nothing
        from shakeout.timeline import moment  # noqa: PLC0415 - as above

        seed, now = harness.of(self._config).seed, moment.now()
        outcomes = [
            ledger.Outcome(nodeid, told[evidence.SYSTEM], told[evidence.VERDICT], seed, now)
            for nodeid, told in self._told.items()
            if evidence.SYSTEM in told
        ]
        try:
            ledger.append(self._ledger(), outcomes)
        except OSError as error:
            harness.of(self._config).troubles.append(f"no outcomes kept: {error}")
