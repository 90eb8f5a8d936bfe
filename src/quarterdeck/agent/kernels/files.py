"""All files below a directory that is in somebody else's hands and changes meanwhile: of any depth, any permissions, through no link. Used by `meter`.

It goes from directory to directory by descriptors, never by paths. The way back is `..`, if that still is where it came from; else, and from
deep below, by the names from a directory above that it holds.
"""

import os
import stat
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

LEVELS_HELD_MAX = 16
"""So many directories are held open on the way down; below them only the one that is looked at."""

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_PLACE = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_OURS = stat.S_IRUSR | stat.S_IXUSR
"""What its owner needs to look through a directory."""


@dataclass
class _Level:
    """A directory on the way down. `names`: those in it that are still to be looked at; `closed`: the mode that it had if we had to open it."""

    name: str
    place: int
    identity: tuple[int, int]
    closed: int | None
    names: list[str] = field(default_factory=list)

    def leave(self) -> None:
        """Close it, as it was."""
        if self.place < 0:
            return
        if self.closed is not None:
            _set_mode(self.place, self.closed)
        os.close(self.place)
        self.place = -1


def below(top: Path) -> Generator[os.stat_result, None, None]:
    """Yield what is known of a directory and of each file below it on the same device. To be closed if it is not read to its end."""
    first = _enter(str(top), None)
    if first is None:
        return
    levels = [first]
    try:
        yield os.fstat(first.place)
        yield from _scan(first)
        while levels:
            if not levels[-1].names:
                _climb(levels)
            elif _descend(levels):
                yield from _scan(levels[-1])
    finally:
        for level in levels:
            level.leave()


def _scan(level: _Level) -> Iterator[os.stat_result]:
    """Yield what is known of all that is in a directory, and take note of the directories."""
    try:
        entries = os.scandir(level.place)
    except OSError:
        return
    with entries:
        for entry in entries:
            if (found := _known(entry, level)) is None:
                continue
            if stat.S_ISDIR(found.st_mode) and found.st_dev == level.identity[0]:
                level.names.append(entry.name)
            yield found


def _known(entry: os.DirEntry[str], level: _Level) -> os.stat_result | None:
    try:
        return entry.stat(follow_symlinks=False)
    except PermissionError:
        _open_up(level)
    except OSError:
        return None
    try:
        return os.stat(entry.name, dir_fd=level.place, follow_symlinks=False)
    except OSError:
        return None


def _descend(levels: list[_Level]) -> bool:
    """Enter the next directory of the deepest one; tell whether it is one."""
    one = _enter(levels[-1].names.pop(), levels[-1])
    if one is None:
        return False
    levels.append(one)
    if len(levels) > LEVELS_HELD_MAX + 1:
        _release(levels[-2])
    return True


def _climb(levels: list[_Level]) -> None:
    """Leave the deepest directory for the one above it. What cannot be reached any more is passed over."""
    done = levels.pop()
    if levels and levels[-1].place < 0:
        levels[-1].place = _above(done, levels[-1])
        if levels[-1].place < 0:
            _regain(levels)
    done.leave()


def _above(level: _Level, wanted: _Level) -> int:
    """Return the directory above one, if it is the wanted one; else -1."""
    try:
        found = os.open("..", _DIRECTORY, dir_fd=level.place)
    except OSError:
        return -1
    if _identity(found) == wanted.identity:
        return found
    os.close(found)
    return -1


def _regain(levels: list[_Level]) -> None:
    """Go down again by names from the deepest directory that is held, as far as it is the same way."""
    at = max(number for number, level in enumerate(levels) if level.place >= 0)
    while at + 1 < len(levels):
        found = _enter(levels[at + 1].name, levels[at])
        if found is None or found.identity != levels[at + 1].identity:
            if found is not None:
                found.leave()
            del levels[at + 1 :]
            return
        levels[at + 1].place = found.place
        if at >= LEVELS_HELD_MAX:
            _release(levels[at])
        at += 1


def _release(level: _Level) -> None:
    """Hold a directory no longer; the way back to it is through those below."""
    os.close(level.place)
    level.place = -1


def _enter(name: str, above: _Level | None) -> _Level | None:
    """Open a directory; None: it is none, or none any more."""
    within = None if above is None else above.place
    closed = None
    try:
        place = os.open(name, _DIRECTORY, dir_fd=within)
    except PermissionError:
        closed = _opened_up(name, within)
        try:
            place = os.open(name, _DIRECTORY, dir_fd=within)
        except OSError:
            return None
    except OSError:
        return None
    return _Level(name, place, _identity(place), closed)


def _opened_up(name: str, within: int | None) -> int | None:
    """Let its owner look through a directory; return the mode that it had."""
    try:
        place = os.open(name, _PLACE, dir_fd=within)
    except OSError:
        return None
    try:
        mode = stat.S_IMODE(os.fstat(place).st_mode)
        _set_mode(place, mode | _OURS)
    finally:
        os.close(place)
    return mode


def _open_up(level: _Level) -> None:
    """Let its owner reach what is in a directory that can be listed only."""
    if level.closed is None:
        level.closed = stat.S_IMODE(os.fstat(level.place).st_mode)
        _set_mode(level.place, level.closed | _OURS)


def _set_mode(place: int, mode: int) -> None:
    try:
        os.chmod(f"/proc/self/fd/{place}", mode)  # noqa: PTH101 - what is open, even if only as a place
    except OSError:  # somebody else's: then it cannot be read, and is none of the kernel's
        return


def _identity(place: int) -> tuple[int, int]:
    found = os.fstat(place)
    return found.st_dev, found.st_ino
