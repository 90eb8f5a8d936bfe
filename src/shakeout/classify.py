"""`--classify-flakes N`: runs a failed test again with the same seed, only to tell how it fails. It stays failed.

Takes pytest's place in running one test. Reruns report to nobody; their endings go to the testimony of the test.
"""

from collections.abc import Sequence
from typing import Any

import pytest
from _pytest.runner import (
    runtestprotocol,
)  # has no public name; pytest-xdist and others use it, too

from shakeout import evidence, harness
from shakeout.harness import FAILED, LOGBOOK, TESTIMONY, USED

UNCLASSIFIED = ("unknown",)
"""Verdicts that a rerun could not change: who hangs would hang again."""


@pytest.hookimpl
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    """Run the test, and again if it failed."""
    count: int = item.config.getoption("--classify-flakes")
    if count < 1:
        return None
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    reports = runtestprotocol(item, log=False, nextitem=nextitem)
    if any(report.failed for report in reports):
        _classify(item, nextitem, reports, count)
    for report in reports:
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


def _classify(
    item: pytest.Item,
    nextitem: pytest.Item | None,
    reports: Sequence[pytest.TestReport],
    count: int,
) -> None:
    first = item.stash[TESTIMONY]
    if first.verdict in UNCLASSIFIED:
        return
    known = list(item.user_properties)
    for _ in range(count):
        if item.session.shouldstop or harness.of(item.config).ending:
            break
        _forget(item)
        with evidence.recorded(item) as again:
            runtestprotocol(item, log=False, nextitem=nextitem)
        first.reruns.append(again.ending)
    item.user_properties[:] = known
    item.stash[TESTIMONY] = first
    _tell(item, reports)


def _forget(item: pytest.Item) -> None:
    """Make the test as new: what it used, and that it failed."""
    keys: tuple[pytest.StashKey[Any], ...] = (USED, LOGBOOK, FAILED)
    for key in keys:
        if key in item.stash:
            del item.stash[key]
    if hasattr(item, "_initrequest"):
        item._initrequest()  # noqa: SLF001 - as pytest does before a first run; there is no public name


def _tell(item: pytest.Item, reports: Sequence[pytest.TestReport]) -> None:
    testimony = item.stash[TESTIMONY]
    endings = [
        f"rerun {number}: {each.in_words()}" for number, each in enumerate(testimony.reruns, 1)
    ]
    told = "\n".join([f"verdict: {testimony.verdict}", *endings])
    for report in reports:
        if report.failed:
            report.sections.insert(len(report.sections) - 1, ("reruns with the same seed", told))
        if report.when == "teardown":
            evidence.tell(item, report)
