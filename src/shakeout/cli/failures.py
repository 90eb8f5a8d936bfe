"""Errors that a command tells in words, and how; anything else is a bug and shows its traceback."""

import json as encoding
import sys

from shakeout.cli import text
from shakeout.cli.errors import CommandFault
from shakeout.hand.errors import HandFault, Refused
from shakeout.process.errors import ProcessError
from shakeout.system.errors import SystemFault

TOLD = (CommandFault, HandFault, ProcessError, SystemFault)


def tell(failure: BaseException, *, json: bool) -> int:
    """Print the failure to stderr (as JSON to stdout); returns the exit code."""
    if json:
        sys.stdout.write(
            encoding.dumps({"error": type(failure).__name__, "detail": str(failure)}) + "\n"
        )
    else:
        sys.stderr.write(f"{text.coloured('error:', text.RED, sys.stderr)} {failure}\n")
    wrong_use = isinstance(failure, CommandFault | HandFault) and not isinstance(failure, Refused)
    return 2 if wrong_use else 1
