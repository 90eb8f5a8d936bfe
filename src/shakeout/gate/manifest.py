"""The committed list of how many tests each file and directory runs; compared by `verdict`.

["tests/unit/shakeout/waiting"]
total = 30
"test_samples.py" = 6
"test_until.py" = 24
"""

import tomllib
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from shakeout.gate import errors

DEFAULT_PATH = Path("tests/manifest.toml")
TOTAL = "total"
HEADER = """\
# How many tests each file and each directory runs. A run with fewer is red, and so is one with more.
# Written by `python -m shakeout.gate --update`. Review every number that gets smaller.
"""


@dataclass(frozen=True)
class Manifest:
    """Number of tests by file, with paths from the root of the repository."""

    files: Mapping[str, int]

    def directories(self) -> dict[str, int]:
        """Number of tests by directory, without its subdirectories."""
        return sum_by_directory(self.files)

    def render(self) -> str:
        """The text of the manifest file."""
        parts = [HEADER]
        for directory, total in sorted(self.directories().items()):
            lines = [f'["{directory}"]', f"{TOTAL} = {total}"]
            lines += [
                f'"{PurePosixPath(file).name}" = {count}'
                for file, count in sorted(self.files.items())
                if directory_of(file) == directory
            ]
            parts.append("\n".join(lines) + "\n")
        return "\n".join(parts)


def read(path: Path) -> Manifest:
    """Read the manifest. Raises ManifestMissing, ManifestBroken."""
    try:
        tables = tomllib.loads(path.read_text())
    except FileNotFoundError:
        raise errors.ManifestMissing(path) from None
    except tomllib.TOMLDecodeError as error:
        raise errors.ManifestBroken(path, str(error)) from error
    files: dict[str, int] = {}
    for directory, table in tables.items():
        files |= _files_of(path, directory, table)
    return Manifest(files)


def sum_by_directory(files: Mapping[str, int]) -> dict[str, int]:
    """Add up numbers of files by their directory."""
    totals: dict[str, int] = defaultdict(int)
    for file, count in files.items():
        totals[directory_of(file)] += count
    return dict(totals)


def directory_of(file: str) -> str:
    return str(PurePosixPath(file).parent)


def _files_of(path: Path, directory: str, table: Any) -> dict[str, int]:
    if not isinstance(table, dict) or not all(isinstance(each, int) for each in table.values()):
        raise errors.ManifestBroken(path, f"{directory!r} is no table of numbers")
    total = table.pop(TOTAL, None)
    if total != sum(table.values()):
        raise errors.ManifestBroken(path, f"{directory!r}: {TOTAL} is not the sum of its files")
    return {f"{directory}/{name}": count for name, count in table.items()}
