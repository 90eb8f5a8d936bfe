"""Typed reasons for leaving a test out; whatever else skips or expects failure fails.

A skip is allowed for a prerequisite of the machine that is missing, and it says what to do about
it. In a project whose configuration says `shakeout_typed_skips = true` every other skip and every xfail
becomes a failure; `shakeout.gate` counts the typed ones.
"""

from collections.abc import Generator
from dataclasses import dataclass
from typing import NoReturn

import pytest
from _pytest import outcomes  # the public name cannot be subclassed in types

from shakeout import options
from shakeout.gate import tally
from shakeout.services import debian
from shakeout.services.debian import Program


@dataclass(frozen=True)
class Prerequisite:
    """Something that the machine lacks, and the remedy in words."""

    name: str
    remedy: str

    def __str__(self) -> str:
        return f"{tally.TYPED_SKIP}{self.name} ({self.remedy})"


class Skipped(outcomes.Skipped):
    """A test was left out for a typed reason."""

    def __init__(self, prerequisite: Prerequisite) -> None:
        super().__init__(str(prerequisite), allow_module_level=True)
        self.prerequisite = prerequisite


def skip(prerequisite: Prerequisite) -> NoReturn:
    """Leave the running test out. Raises Skipped."""
    __tracebackhide__ = True
    raise Skipped(prerequisite)


def require(*programs: Program) -> None:
    """Leave the running test out unless these programs of Debian packages are installed. Raises Skipped."""
    __tracebackhide__ = True
    for program in programs:
        if debian.find(program.name) is None:
            skip(Prerequisite(program.name, program.remedy))


def refusal(how: str, reason: str) -> str:
    """Why a skip or an expected failure is not accepted; `how` names the way it was asked for."""
    return (
        f"{how} without a typed reason: {reason or 'no reason given'}\n"
        "A test that does not run proves nothing, and nobody notices. Either run it, delete it, or "
        "say which prerequisite is missing:\n"
        '    shakeout.skips.skip(Prerequisite("user namespaces", "sysctl kernel…=1"))'
    )


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail a test that skips or expects to fail, unless it does so for a typed reason."""
    report = yield
    if not item.config.getini(options.TYPED_SKIPS):
        return report
    expected = getattr(report, "wasxfail", None)
    if expected is not None:
        del report.wasxfail
        _fail(report, "xfail", expected)
    elif report.skipped and call.excinfo is not None:
        if isinstance(call.excinfo.value, Skipped):
            report.longrepr = (
                str(item.path),
                item.location[1] or 0,
                f"Skipped: {call.excinfo.value}",
            )
        else:
            _fail(report, "skip", str(call.excinfo.value))
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Fail a module that leaves itself out, unless it does so for a typed reason."""
    report = yield
    if not collector.config.getini(options.TYPED_SKIPS):
        return report
    excinfo = report.call.excinfo if report.call else None
    if report.skipped and not (excinfo and isinstance(excinfo.value, Skipped)):
        _fail(report, f"skip of all of {collector.nodeid}", str(excinfo.value if excinfo else ""))
    return report


def _fail(report: pytest.TestReport | pytest.CollectReport, how: str, reason: str) -> None:
    report.outcome = "failed"
    report.longrepr = refusal(how, reason)
