"""`shakeout report`: one page of all test sessions whose evidence stands in a directory."""

import argparse
import json
from pathlib import Path

from shakeout import settings
from shakeout.cli import text
from shakeout.cli.errors import EvidenceUnreadable, NothingToReport
from shakeout.report import build, ledger, session, session_page
from shakeout.report.errors import NothingReadable, NothingRecorded


def run(options: argparse.Namespace) -> int:
    """Write the page and tell where it is, and what it lacks. Raises NothingToReport, EvidenceUnreadable."""
    directory = Path(options.directory)
    try:
        page = build.write_session(directory, settings.read().cache / ledger.FILE)
    except NothingRecorded:
        raise NothingToReport(str(directory)) from None
    except NothingReadable as nothing:
        raise EvidenceUnreadable(str(nothing)) from None
    merged = session.merge(directory)
    summary = session_page.summary(merged)
    if options.json:
        told = {"summary": summary, "page": str(page), "unreadable": merged.unreadable}
        text.say(json.dumps(told))
    else:
        text.say(f"{summary}\n{page}")
    return 0
