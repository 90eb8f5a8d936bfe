"""What the clean-up of fixtures raises after a run was ended: told in words, where pytest ends with a traceback and another exit code.

Used by `shakeout.sessions`. When a run is ended in the middle of a test, its fixtures are torn down as its last act.
"""

import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest

TOLD = (Exception, pytest.fail.Exception)
INSTALLED = Path(pytest.__file__).parent.parent
INNER = (f"{INSTALLED / '_pytest'}/", f"{INSTALLED / 'pluggy'}/")
"""Where the code of pytest lies."""
TITLE = "errors in the clean-up of a run that was ended"


def show(terminal: pytest.TerminalReporter, error: BaseException) -> None:
    """Show each error with where it came from, the innermost place last."""
    terminal.section(TITLE, sep="=", red=True)
    for one in leaves(error):
        for line in lines(one):
            terminal.write_line(line)


def leaves(error: BaseException) -> Iterator[BaseException]:
    """The errors of which a group consists; the error alone if it is none."""
    if isinstance(error, BaseExceptionGroup):
        for one in error.exceptions:
            yield from leaves(one)
    else:
        yield error


def lines(error: BaseException) -> Iterator[str]:
    """One error in words; of the way to it what is no code of pytest."""
    yield f"{type(error).__name__}: {error}"
    frames = traceback.extract_tb(error.__traceback__)
    for frame in frames:
        if not frame.filename.startswith(INNER):
            yield f"  {frame.filename}:{frame.lineno}, in {frame.name}: {frame.line}"
