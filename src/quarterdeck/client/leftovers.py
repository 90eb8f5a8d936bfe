"""What a copy of a tree leaves out, here and in a folder: files are copied, and the directories that have some. Beside `files`."""

import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from quarterdeck.client import files

_KINDS = (
    (stat.S_ISLNK, "a symbolic link"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISDIR, "an empty directory"),
)


class LeftOut(NamedTuple):
    """A path, as it was named with what is below it or in the folder, and what is there."""

    path: str
    what: str


def here(local: Path) -> list[LeftOut]:
    """Return what an upload of a local path leaves out: links, also those to files in the same tree, what is no file, and empty directories."""
    if not local.is_dir():
        return []
    paths = files.below(local)
    filled = {path.parent for path in paths}
    return [
        LeftOut(str(path), _kind(path))
        for path in (local, *paths)
        if path not in filled and not files.is_copied(path)
    ]


def there(entries: Iterable[Mapping[str, Any]]) -> Iterator[LeftOut]:
    """Give what a download leaves out, given the recursive listing."""
    listed = list(entries)
    filled = {str(entry["path"]).rpartition("/")[0] for entry in listed}
    for entry in listed:
        if entry["kind"] == "directory" and entry["path"] not in filled:
            yield LeftOut(str(entry["path"]), "an empty directory")
        elif entry["kind"] not in {"directory", "file"}:
            yield LeftOut(str(entry["path"]), "a link, or what else is no file")


def _kind(path: Path) -> str:
    with files.usable(path):
        mode = os.lstat(path).st_mode
    return next((what for holds, what in _KINDS if holds(mode)), "a device")
