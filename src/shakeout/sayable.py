"""What tests say, made such that it can be encoded: a lone surrogate, as in the name of a file that is no UTF-8, shows as its escape.

Workers of pytest-xdist end, and the run with them, when a report of theirs has one; a terminal shows the whole text as escapes.
"""

from collections.abc import Generator
from typing import Any

import pytest


def text(said: str) -> str:
    """Return a text that can be encoded."""
    return said.encode("utf-8", "backslashreplace").decode()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Have captured output sayable, also where there are no workers."""
    report = yield
    report.sections = [(name, text(said)) for name, said in report.sections]
    return report


@pytest.hookimpl(wrapper=True)
def pytest_report_to_serializable() -> Generator[None, Any, Any]:
    """Have all of a report sayable that is about to leave this process."""
    return _all((yield))


def _all(value: Any) -> Any:
    match value:
        case str():
            return text(value)
        case dict():
            return {key: _all(one) for key, one in value.items()}
        case list() | tuple():
            return type(value)(map(_all, value))
        case _:
            return value
