"""The part of the pytest plugin that prints the matrix of faults, for systems of which a test expects it, and what was done to messages.

Workers of pytest-xdist hand theirs to the process that prints.
"""

from typing import Any

import pytest

from shakeout.faults import coverage

OUTPUT = "shakeout_faults"


def pytest_sessionfinish(session: pytest.Session) -> None:
    """In a worker: tell what was injected here."""
    output: dict[str, Any] | None = getattr(session.config, "workeroutput", None)
    if output is not None:
        output[OUTPUT] = coverage.RUN.told()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Learn what was injected in a worker that has ended."""
    coverage.RUN.learn(getattr(node, "workeroutput", {}).get(OUTPUT, ()))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print each matrix that somebody expects."""
    for system, cells in coverage.RUN.matrices().items():
        terminalreporter.section(f"faults of {system}")
        for line in coverage.render(cells):
            terminalreporter.write_line(line)
    for system, lines in coverage.RUN.messages().items():
        terminalreporter.section(f"single messages of {system}")
        for line in coverage.render_messages(lines):
            terminalreporter.write_line(line)
