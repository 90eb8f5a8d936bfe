"""Judges a saved history by a model: `python -m shakeout.explore.judge FILE --model register [--actions read,write]`.

Exits with 0 when it is valid, 1 when it is not, 2 when that stays unknown, 3 when there is nothing to judge.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from shakeout.checks.consistency.linearizability import Linearizable
from shakeout.checks.consistency.model import Misfit
from shakeout.checks.consistency.models import MODELS
from shakeout.checks.consistency.search import WORK_MAX
from shakeout.checks.consistency.verdict import Validity
from shakeout.history import file
from shakeout.history.errors import HistoryUnreadable
from shakeout.history.operation import History, Outcome

EXIT_CODES = {Validity.VALID: 0, Validity.INVALID: 1, Validity.UNKNOWN: 2}
NOTHING_JUDGED = 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Judge, print the verdict and return the exit code."""
    chosen = _parser().parse_args(arguments)
    actions = frozenset(filter(None, chosen.actions.split(",")))
    checker = Linearizable(MODELS[chosen.model], actions, chosen.work)
    try:
        history = file.load(chosen.file)
        verdict = checker(history)
    except (OSError, HistoryUnreadable, Misfit) as error:
        sys.stderr.write(f"{error}\n")
        return NOTHING_JUDGED
    if not _happened(history, actions):
        sys.stderr.write(f"{chosen.file}: nothing of what was asked for happened in it\n")
        return NOTHING_JUDGED
    about = ", ".join(f"{name} {value}" for name, value in history.about.items())
    sys.stdout.write(f"{len(history)} operations{f' of {about}' if about else ''}\n{verdict}\n")
    return EXIT_CODES[verdict.validity]


def _happened(history: History, actions: frozenset[str]) -> bool:
    """Whether there is anything to judge: what failed did not happen."""
    chosen = history.only(*actions) if actions else history
    return any(one.outcome is not Outcome.FAIL for one in chosen)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m shakeout.explore.judge", description=__doc__)
    parser.add_argument("file", type=Path, help="history, as JSON lines")
    parser.add_argument("--model", choices=sorted(MODELS), required=True)
    parser.add_argument("--actions", default="", help="judge only these, separated by commas")
    parser.add_argument("--work", type=int, default=WORK_MAX, help="steps before giving up")
    return parser


if __name__ == "__main__":
    sys.exit(main())
