"""`shakeout report`: one page of all test sessions whose evidence stands in a directory."""

import argparse
import json
from pathlib import Path

from shakeout import settings
from shakeout.cli import text
from shakeout.cli.errors import NothingToReport
from shakeout.report import build, ledger, session, session_page
from shakeout.report.errors import NothingRecorded


def run(options: argparse.Namespace) -> int:
    """Write the page and tell where it is. Raises NothingToReport."""
    directory = Path(options.directory)
    try:
        page = build.write_session(directory, settings.read().cache / ledger.FILE)
    except NothingRecorded:
        raise NothingToReport(str(directory)) from None
    summary = session_page.summary(session.merge(directory))
    if options.json:
        text.say(json.dumps({"summary": summary, "page": str(page)}))
    else:
        text.say(f"{summary}\n{page}")
    return 0
