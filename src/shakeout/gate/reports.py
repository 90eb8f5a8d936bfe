"""JUnit XML reports: which of them belong to the last run, and what they say.

Pants writes all reports of a run at its end, in one go, under names that depend on how files were
batched; reports of earlier runs stay where nothing overwrites them. So of a directory only the
last go counts: going back in time from the newest report, the first pause of more than a second
ends it. The others are named as ignored. (Remove the directory first to be independent of clocks.)
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from shakeout.gate import errors
from shakeout.gate.tally import NODEID, TYPED_SKIP, Outcome, Ran

DEFAULT_DIRECTORY = Path("dist/test/reports")
PAUSE_SECONDS_MAX = 1.0


@dataclass(frozen=True)
class Found:
    """Reports of the last run, and older ones."""

    fresh: tuple[Path, ...]
    stale: tuple[Path, ...] = ()


def find(paths: Sequence[Path]) -> Found:
    """Reports to read: files as given, of each directory those of the last run.

    Raises ReportsMissing.
    """
    fresh: list[Path] = []
    stale: list[Path] = []
    for path in paths:
        found = _last_run(path.glob("*.xml")) if path.is_dir() else Found((path,))
        if not found.fresh or not found.fresh[0].exists():
            raise errors.ReportsMissing(path)
        fresh += found.fresh
        stale += found.stale
    return Found(tuple(fresh), tuple(stale))


def read(path: Path) -> Iterator[Ran]:
    """Read what one report says. Raises ReportUnreadable."""
    try:
        root = ElementTree.parse(path).getroot()
    except ElementTree.ParseError as error:
        raise errors.ReportUnreadable(path, str(error)) from error
    for case in root.iter("testcase"):
        yield Ran(_nodeid(case), *_outcome(case))


def _last_run(paths: Iterable[Path]) -> Found:
    newest_first = sorted(((path.stat().st_mtime, path) for path in paths), reverse=True)
    fresh: list[Path] = []
    last = newest_first[0][0] if newest_first else 0.0
    for written, path in newest_first:
        if last - written > PAUSE_SECONDS_MAX:
            break
        fresh.append(path)
        last = written
    return Found(tuple(fresh), tuple(path for _, path in newest_first[len(fresh) :]))


def _outcome(case: ElementTree.Element) -> tuple[Outcome, str]:
    if case.find("failure") is not None or case.find("error") is not None:
        return Outcome.FAILED, ""
    skipped = case.find("skipped")
    if skipped is None:
        return Outcome.PASSED, ""
    reason = skipped.get("message", "")
    return (Outcome.SKIPPED if reason.startswith(TYPED_SKIP) else Outcome.FAILED), reason


def _nodeid(case: ElementTree.Element) -> str:
    """As the plugin wrote it; else guessed from class and name, as a file that failed to load has."""
    for each in case.iter("property"):
        if each.get("name") == NODEID:
            return each.get("value", "")
    names = [*case.get("classname", "").split("."), case.get("name", "")]
    if not names[0]:
        names = case.get("name", "").split(".")
    file = next((index for index, name in enumerate(names) if name.startswith("test_")), 0)
    return "::".join(["/".join(names[: file + 1]) + ".py", *names[file + 1 :]])
