"""Compare what ran with the manifest: pure, used by the command and inside of pytest."""

from collections.abc import Callable
from dataclasses import dataclass

from shakeout.gate import manifest as manifests
from shakeout.gate.manifest import Manifest
from shakeout.gate.tally import Tally

UPDATE = "python -m shakeout.gate --update"

Scope = Callable[[str], bool]
"""Whether a file is judged."""


@dataclass(frozen=True)
class Difference:
    """A file or directory of which another number of tests ran than the manifest lists."""

    path: str
    listed: int
    ran: int

    @property
    def fewer(self) -> bool:
        return self.ran < self.listed

    def __str__(self) -> str:
        return f"{self.path}: {self.ran} of {self.listed} tests ran"


def everything(_file: str) -> bool:
    return True


def differences(manifest: Manifest, tally: Tally, scope: Scope = everything) -> list[Difference]:
    """All differences in scope: first the directories, then the files."""
    listed = {file: count for file, count in manifest.files.items() if scope(file)}
    ran = {file: count for file, count in tally.by_file().items() if scope(file)}
    by_directory = _compare(manifests.sum_by_directory(listed), manifests.sum_by_directory(ran))
    return by_directory + _compare(listed, ran)


def explain(found: list[Difference]) -> list[str]:
    """The differences as lines, with what to do about them."""
    fewer = [each for each in found if each.fewer]
    more = [each for each in found if not each.fewer]
    lines = [f"too few: {each}" for each in fewer]
    if fewer:
        lines.append(
            f"Were tests removed on purpose? Then {UPDATE}, and let the numbers be reviewed."
        )
    lines += [f"not in the manifest: {each}" for each in more]
    if more:
        lines.append(f"New tests must be listed, so that nobody loses them unseen: {UPDATE}")
    return lines


def _compare(listed: dict[str, int], ran: dict[str, int]) -> list[Difference]:
    every = [Difference(path, listed.get(path, 0), ran.get(path, 0)) for path in {**listed, **ran}]
    return sorted((each for each in every if each.listed != each.ran), key=lambda each: each.path)
