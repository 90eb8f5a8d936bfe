"""Writes pages: of one test, of one session, of all sessions below a directory."""

from collections.abc import Mapping
from pathlib import Path

from shakeout.report import ledger, page, session, session_page, trace
from shakeout.report.ledger import Odds
from shakeout.report.model import Story

PAGE = session.PAGE


def write_story(story: Story, directory: Path) -> Path:
    """Write page and trace file of a test into its directory; returns the page. Raises OSError."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / page.TRACE_FILE).write_text(trace.render(story))
    path = directory / PAGE
    path.write_text(page.render(story), errors="backslashreplace")
    return path


def write_session(directory: Path, outcomes: Path | None = None) -> Path:
    """Write the page of all parts in or right below a directory. Raises NothingRecorded, OSError."""
    merged = session.merge(directory)
    path = directory / PAGE
    path.write_text(session_page.render(merged, _odds(outcomes)), errors="backslashreplace")
    return path


def _odds(outcomes: Path | None) -> Mapping[str, Odds]:
    return ledger.odds(ledger.read(outcomes)) if outcomes else {}
