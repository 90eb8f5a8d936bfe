"""`python -m shakeout.report [DIRECTORY]`: build the page of all sessions below a directory, and print its path.

Exit code 0: written. 1: there is nothing to tell.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from shakeout import settings
from shakeout.report import build, ledger, session, session_page
from shakeout.report.errors import NothingReadable, NothingRecorded

DEFAULT_DIRECTORY = Path("dist/shakeout")


def main(arguments: Sequence[str] | None = None) -> int:
    """Build it; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m shakeout.report", description=__doc__)
    parser.add_argument("directory", nargs="?", type=Path, default=DEFAULT_DIRECTORY)
    directory = parser.parse_args(arguments).directory
    try:
        path = build.write_session(directory, settings.read().cache / ledger.FILE)
    except (NothingRecorded, NothingReadable) as nothing:
        print(nothing)
        return 1
    print(f"{session_page.summary(session.merge(directory))}\n{path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
