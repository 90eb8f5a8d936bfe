"""Named SQL: `load(__package__)` reads the package's `queries.sql`, made of blocks that begin with `-- name: something`."""

import importlib.resources
import re
from collections.abc import Iterator, Mapping

_NAME = re.compile(r"^-- name: ([a-z][a-z0-9_]*)[ \t]*$", re.MULTILINE)


class Queries(Mapping[str, str]):
    """SQL texts by name. `str` of a text is what the database gets; comments are left out."""

    def __init__(self, blocks: Mapping[str, str]) -> None:
        self._blocks = blocks

    def __getitem__(self, name: str) -> str:
        """Return the SQL of a block."""
        return self._blocks[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._blocks)

    def __len__(self) -> int:
        return len(self._blocks)


def load(package: str | None, file: str = "queries.sql") -> Queries:
    """Read the named blocks of a package's file. Raises ValueError for a name given twice, FileNotFoundError."""
    if package is None:
        raise ValueError("no package to load queries from")
    return parse(importlib.resources.files(package).joinpath(file).read_text(encoding="utf-8"))


def parse(text: str) -> Queries:
    """Split a text into its named blocks. Raises ValueError for a name given twice, an empty block or SQL before the first name."""
    before, *parts = _NAME.split(text)
    if _without_comments(before):
        raise ValueError("SQL before the first `-- name:` line")
    blocks: dict[str, str] = {}
    for name, block in zip(parts[::2], parts[1::2], strict=True):
        sql = _without_comments(block)
        if name in blocks or not sql:
            raise ValueError(f"query {name!r} is {'empty' if not sql else 'there twice'}")
        blocks[name] = sql
    return Queries(blocks)


def _without_comments(block: str) -> str:
    lines = (line for line in block.splitlines() if not line.lstrip().startswith("--"))
    return "\n".join(lines).strip().removesuffix(";").rstrip()
