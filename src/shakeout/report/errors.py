"""What evidence fails a test with, and what can be wrong with it.

BadLogLines        a component logged an error that the test did not allow; raised by `shakeout.usage`
NothingRecorded    no session left anything in a directory
NothingReadable    what they left there cannot be read
"""

from collections.abc import Sequence
from pathlib import Path

from shakeout.report.model import Line
from shakeout.timeline import moment

LINES_SHOWN = 10
REMEDY = (
    "Where the test provokes them: @pytest.mark.allows_log('regular expression', component='name'). "
    "Where the system does so in any test: System.allowed_log"
)


class BadLogLines(Exception):
    """A component logged an error that the test did not allow."""

    def __init__(self, lines: Sequence[Line], of_boot: int = 0) -> None:
        """So many of the lines, the first ones, were logged before the test used the cluster."""
        self.lines = tuple(lines)
        self.of_boot = of_boot
        self.texts = tuple(
            f"{moment.clock_time(one.at)} {one.component} {one.level}: {_told(one)}"
            for one in lines
        )
        count = f"{len(lines)} bad line{'s' if len(lines) > 1 else ''}"
        head = f"components logged {count}{_before_the_test(of_boot, len(lines))}:"
        shown = [f"  | {text}" for text in self.texts[:LINES_SHOWN]]
        more = len(lines) - LINES_SHOWN
        rest = [f"  … and {more} more"] if more > 0 else []
        super().__init__("\n".join([head, *shown, *rest, REMEDY]))


def _before_the_test(of_boot: int, count: int) -> str:
    if not of_boot:
        return ""
    which = "" if of_boot == count else f", {of_boot} of them"
    return f"{which} while they were booted, before this test, the first one that uses them"


def _told(line: Line) -> str:
    """Event and fields, its traceback below it."""
    fields = dict(line.fields)
    traceback = str(fields.pop("traceback", ""))
    told = " ".join([line.event, *(f"{key}={value}" for key, value in fields.items())])
    return f"{told}\n{traceback}".rstrip()


class NothingRecorded(Exception):
    """No session left anything there: nothing failed, or nothing used a cluster."""

    def __init__(self, directory: Path) -> None:
        super().__init__(f"no report in {directory}: nothing failed, or nothing used a cluster")
        self.directory = directory


class NothingReadable(Exception):
    """What sessions left there cannot be read: another version wrote it, or one that was killed meanwhile."""

    def __init__(self, directory: Path, unreadable: Sequence[str]) -> None:
        """`unreadable` are the files, and why."""
        super().__init__("\n".join([f"nothing in {directory} can be read:", *unreadable]))
        self.directory = directory
