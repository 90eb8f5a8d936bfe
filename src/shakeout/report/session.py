"""The record of a session: what became of each test. One process writes one part; `merge` joins the parts of a run.

<directory>/<session>/part.json          what one pytest process (or the controller of its workers) saw
<directory>/<session>/<test>/index.html  the page of one test, with `trace.json` beside it
<directory>/<session>/index.html         the page of that session
<directory>/index.html                   the page of all of them, by `build`
"""

import json
import re
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from shakeout.process import directories
from shakeout.report import whole
from shakeout.report.errors import NothingReadable, NothingRecorded
from shakeout.report.injections import Injected
from shakeout.report.verdict import Verdict
from shakeout.timeline import moment

PART = "part.json"
PAGE = "index.html"
NAME_LENGTH_MAX = 80
SESSIONS_KEPT = 100
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True)
class Entry:
    """What became of one test."""

    nodeid: str
    verdict: str
    cause: str = ""
    seconds: float = 0.0
    page: str = ""
    """Path of its page, relative to the directory of its session; empty without one."""
    rerun: str = ""
    system: str = ""
    """The system that it used a cluster of."""
    faults: tuple[Injected, ...] = ()


@dataclass(frozen=True)
class Session:
    """What became of the tests of one or several processes."""

    name: str
    seed: int
    began: float
    ended: float
    entries: tuple[Entry, ...] = ()
    boots: tuple[float, ...] = ()
    """Seconds that each boot took."""
    facts: Mapping[str, str] = field(default_factory=dict)
    unreadable: tuple[str, ...] = ()
    """Parts that are missing here, and why: written by another version, or by one that was killed meanwhile."""

    @property
    def failures(self) -> list[Entry]:
        """Entries that somebody has to look at."""
        return [entry for entry in self.entries if Verdict(entry.verdict).is_failure]

    def count(self, verdict: Verdict) -> int:
        """How many tests got that verdict."""
        return sum(entry.verdict == verdict for entry in self.entries)


def new_name() -> str:
    """A name for a session, sorted by time."""
    stamp = _UNSAFE.sub("", moment.date_and_time(moment.now()).replace(" ", "T"))
    return f"{stamp}-{directories.new_run_id().removeprefix(directories.PREFIX)}"


def directory_of(nodeid: str) -> str:
    """Name of a test's directory: readable, and different for different tests."""
    readable = _UNSAFE.sub("-", nodeid.rpartition("::")[2]).strip("-.")[:NAME_LENGTH_MAX]
    return f"{readable}-{zlib.crc32(nodeid.encode()):08x}"


def write_part(session: Session, directory: Path) -> Path:
    """Write what this process saw below `directory`; removes what is left of very old sessions."""
    own = directory / session.name
    own.mkdir(parents=True, exist_ok=True)
    whole.write(own / PART, json.dumps(asdict(session)))
    for old in sorted(directory.glob(f"*/{PART}"))[:-SESSIONS_KEPT]:
        directories.remove(old.parent)
    return own


def merge(directory: Path) -> Session:
    """All parts in or right below a directory as one session, with pages relative to it.

    What cannot be read is told in `unreadable`. Raises NothingRecorded; NothingReadable when that is all.
    """
    parts: list[Session] = []
    unreadable: list[str] = []
    for path in sorted([*directory.glob(PART), *directory.glob(f"*/{PART}")]):
        try:
            parts.append(_relative(_read(path), path.parent.relative_to(directory)))
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            unreadable.append(f"{path}: {type(error).__name__}: {error}")
    if not parts:
        raise NothingReadable(directory, unreadable) if unreadable else NothingRecorded(directory)
    return replace(_joined(parts), unreadable=tuple(unreadable))


def _joined(parts: Sequence[Session]) -> Session:
    if len(parts) == 1:
        return parts[0]
    return Session(
        f"{len(parts)} processes",
        parts[0].seed,
        min(part.began for part in parts),
        max(part.ended for part in parts),
        _latest(entry for part in parts for entry in part.entries),
        tuple(seconds for part in parts for seconds in part.boots),
        parts[-1].facts,
    )


def _latest(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """One entry a test: the last one, for a test that ran again."""
    return tuple({entry.nodeid: entry for entry in entries}.values())


def _read(path: Path) -> Session:
    told = json.loads(path.read_text())
    told.pop("unreadable", None)
    entries = tuple(_entry(each) for each in told.pop("entries"))
    return Session(entries=entries, boots=tuple(told.pop("boots")), **told, unreadable=())


def _entry(told: dict[str, Any]) -> Entry:
    faults = tuple(map(Injected.from_json, told.pop("faults")))
    return Entry(faults=faults, verdict=Verdict(told.pop("verdict")).value, **told)


def _relative(session: Session, to: Path) -> Session:
    entries = tuple(
        Entry(**{**vars(entry), "page": str(to / entry.page) if entry.page else ""})
        for entry in session.entries
    )
    return Session(**{**vars(session), "entries": entries})
