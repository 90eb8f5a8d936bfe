"""Patterns that a search looks for: `*.csv` is a name at any depth, `data/**/x?.txt` a path from where the search starts. Pure."""

import fnmatch
import re
from dataclasses import dataclass

from quarterdeck.storage_proxy import errors
from quarterdeck.storage_proxy.model import TreePath

_ANY_DEPTH = "**"
_PARTS_MAX = 33


@dataclass(frozen=True)
class Glob:
    """A pattern, one regular expression for each part; None stands for `**`. Letters match as they are written."""

    parts: tuple[re.Pattern[str] | None, ...]

    def matches(self, path: TreePath) -> bool:
        """Tell whether the path from the start of the search fits: time grows with length times length, never faster."""
        reached = {0}
        for name in path:
            reached = {end for start in self._skipped(reached) for end in self._after(start, name)}
        return len(self.parts) in self._skipped(reached)

    def _skipped(self, reached: set[int]) -> set[int]:
        """Add what is reached when each `**` stands for no directory."""
        found = set(reached)
        for at, part in enumerate(self.parts):
            if at in found and part is None:
                found.add(at + 1)
        return found

    def _after(self, at: int, name: str) -> list[int]:
        if at == len(self.parts):
            return []
        part = self.parts[at]
        if part is None:
            return [at]
        return [at + 1] if part.match(name) else []


def parse(pattern: str) -> Glob:
    """Read a pattern. Raises `PathRefused`."""
    parts = pattern.split("/")
    if len(parts) > _PARTS_MAX or any(part in {"", ".", ".."} for part in parts):
        raise errors.PathRefused("a pattern goes downwards, as a path does", field="pattern")
    if "\0" in pattern:
        raise errors.PathRefused("a pattern has no control characters", field="pattern")
    anchored = parts if len(parts) > 1 else [_ANY_DEPTH, *parts]
    return Glob(tuple(None if part == _ANY_DEPTH else _compiled(part) for part in anchored))


def _compiled(part: str) -> re.Pattern[str]:
    return re.compile(fnmatch.translate(part))
