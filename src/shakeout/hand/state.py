"""What a cluster that can be worked with by hand leaves for the commands: one file in its directory, `up.json`.

The reaper removes the directory together with the run, so the file of a killed one goes away; that
its process still is the one that wrote it is checked all the same. The run may be that of a broker, with other
clusters in it.
"""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shakeout.hand.errors import MemberUnknown, NothingRuns, SeveralRun
from shakeout.process import directories, procfs

FILE = "up.json"
SOCKET = "up.sock"


@dataclasses.dataclass(frozen=True)
class MemberState:
    """One component or service; `pid` is 0 when it does not run."""

    name: str
    state: str
    pid: int
    address: str
    log: str
    kind: str = ""
    """`postgres`, `redis` ... for a service of Shakeout; `component` for a part of the system; `links`
    for the process that stands between them."""


@dataclasses.dataclass(frozen=True)
class UpState:
    """One running system. `started` is the start of `pid` in clock ticks, as /proc tells it."""

    name: str
    target: str
    pid: int
    started: int
    directory: str
    members: tuple[MemberState, ...] = ()
    environment: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """For a person's shell: holds secrets, hence the file's mode."""

    @property
    def alive(self) -> bool:
        """Whether the process that wrote this still runs."""
        found = procfs.stat(self.pid)
        return found is not None and found.alive and found.started == self.started

    @property
    def socket(self) -> Path:
        """Where that process listens for requests."""
        return Path(self.directory) / SOCKET

    def member(self, name: str) -> MemberState:
        """Raises MemberUnknown."""
        for one in self.members:
            if one.name == name:
                return one
        raise MemberUnknown(name, (one.name for one in self.members))


def write(state: UpState) -> None:
    """Replace the file in one step."""
    directory = Path(state.directory)
    new = directory / f"{FILE}.new"
    new.touch(mode=0o600)
    new.write_text(json.dumps(dataclasses.asdict(state)))
    new.replace(directory / FILE)


def running(home: Path) -> list[UpState]:
    """All systems that are up, by name."""
    found = [_read(path) for path in home.glob(f"{directories.PREFIX}*/*/{FILE}")]
    alive = [state for state in found if state is not None and state.alive]
    return sorted(alive, key=lambda state: state.name)


def choose(home: Path, name: str = "") -> UpState:
    """The system of that name, or the only one. Raises NothingRuns, SeveralRun."""
    found = [state for state in running(home) if name in ("", state.name)]
    if not found:
        raise NothingRuns(name)
    if len(found) > 1:
        raise SeveralRun(state.name for state in found)
    return found[0]


def _read(path: Path) -> UpState | None:
    """None for a file that is gone, or that another version wrote."""
    try:
        record: dict[str, Any] = json.loads(path.read_bytes())
        members = tuple(MemberState(**one) for one in record.pop("members"))
        return UpState(**record, members=members)
    except (OSError, ValueError, TypeError, KeyError):
        return None
