"""What is copied where, as typed: paths here, FOLDER:PATH there, with patterns on either side. Pure but for looking at local paths."""

import fnmatch
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from quarterdeck.client.errors import FileUnusable

_MAGIC = frozenset("*?[")
_SHARED = re.compile(r"[a-z0-9][a-z0-9-]*/[a-z0-9][a-z0-9-]*\Z")
"""OWNER/NAME; a path here that looks so begins with `./`."""


class Remote(NamedTuple):
    """A path in a folder; empty for all of it."""

    folder: str
    path: str


def read(text: str) -> Remote | str:
    """Return what is meant: a folder's path if a colon comes before any slash, or after OWNER/NAME, else a path here."""
    head, colon, path = text.partition(":")
    plain = bool(head) and "/" not in head and not head.startswith(".")
    if colon and (plain or _SHARED.match(head)):
        return Remote(head, path)
    return text


def local(text: str) -> list[Path]:
    """Return the paths here that a pattern, or a plain path, stands for. Raises `FileUnusable` if there are none."""
    if Path(text).exists() or not is_pattern(text):
        return [Path(text)]
    root = Path(Path(text).anchor)
    found = sorted(root.glob(str(Path(text).relative_to(root))))
    if not found:
        raise FileUnusable(f"nothing here fits {text}")
    return found


def is_pattern(text: str) -> bool:
    """Tell whether a path has parts that stand for several."""
    return bool(_MAGIC & set(text))


def fixed(pattern: str) -> str:
    """Return the directory above all that a pattern can stand for."""
    parts = pattern.strip("/").split("/")
    count = next((n for n, part in enumerate(parts) if is_pattern(part)), len(parts))
    return "/".join(parts[:count])


def matching(pattern: str, entries: Iterable[dict[str, Any]]) -> list[str]:
    """Return the paths that a pattern stands for; `**` stands for any number of directories, `*` for what is between slashes."""
    wanted = pattern.strip("/").split("/")
    paths = sorted(str(entry["path"]) for entry in entries)
    found = [path for path in paths if _fits(wanted, path.split("/"))]
    if not found:
        raise FileUnusable(f"nothing in the folder fits {pattern}")
    return found


def _fits(wanted: list[str], parts: list[str]) -> bool:
    if not wanted:
        return not parts
    if wanted[0] == "**":
        return any(_fits(wanted[1:], parts[at:]) for at in range(len(parts) + 1))
    return (
        bool(parts) and fnmatch.fnmatchcase(parts[0], wanted[0]) and _fits(wanted[1:], parts[1:])
    )
