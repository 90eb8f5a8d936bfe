"""How many tests there are: asks pytest to collect all of them, for `--update` of the manifest."""

import contextlib
import io
from collections import Counter
from pathlib import Path

import pytest

from shakeout.gate import errors
from shakeout.gate.manifest import Manifest
from shakeout.gate.tally import file_of


class _Collected:
    def __init__(self) -> None:
        self.nodeids: list[str] = []
        self.deselected = 0

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self.nodeids = [item.nodeid for item in session.items]

    def pytest_deselected(self, items: list[pytest.Item]) -> None:
        self.deselected += len(items)


def manifest(tests: Path) -> Manifest:
    """The manifest of all tests below a directory, in this process. Raises CollectionFailed."""
    collected = _Collected()
    output = io.StringIO()
    arguments = [
        "--collect-only",
        "-qq",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:randomly",
        str(tests),
    ]
    with contextlib.redirect_stdout(output):
        code = pytest.main(arguments, plugins=[collected])
    if code != pytest.ExitCode.OK:
        raise errors.CollectionFailed(f"pytest {' '.join(arguments)}\n{output.getvalue()}")
    if collected.deselected:
        raise errors.CollectionFailed(
            f"the configuration of pytest deselects {collected.deselected} tests: "
            "the manifest must list them too"
        )
    return Manifest(Counter(map(file_of, collected.nodeids)))
