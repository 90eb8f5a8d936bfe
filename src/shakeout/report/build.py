"""Writes pages: of one test, of one session, of all sessions below a directory."""

from collections.abc import Mapping
from pathlib import Path

from shakeout.report import ledger, page, session, session_page, trace, whole
from shakeout.report.ledger import Odds
from shakeout.report.model import Story

PAGE = session.PAGE


def write_story(story: Story, directory: Path) -> Path:
    """Write page and trace file of a test into its directory; returns the page. Raises OSError."""
    directory.mkdir(parents=True, exist_ok=True)
    whole.write(directory / page.TRACE_FILE, trace.render(story))
    path = directory / PAGE
    whole.write(path, page.render(story))
    return path


def write_session(directory: Path, outcomes: Path | None = None) -> Path:
    """Write the page of all parts in or right below a directory. Raises NothingRecorded, NothingReadable, OSError."""
    merged = session.merge(directory)
    path = directory / PAGE
    whole.write(path, session_page.render(merged, _odds(outcomes)))
    return path


def _odds(outcomes: Path | None) -> Mapping[str, Odds]:
    return ledger.odds(ledger.read(outcomes)) if outcomes else {}
