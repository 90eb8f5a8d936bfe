"""The commands that run one test again with the same seed, as a person types them. Pure."""

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from shakeout.report.model import Rerun

_FUNCTION = re.compile(r"\w+")


@dataclass(frozen=True)
class Circumstances:
    """What a rerun must repeat."""

    seed: int
    randomly: bool = False
    """Whether pytest-randomly shuffles and seeds."""
    durable: bool = False
    pants: bool = False
    """Whether the repository is driven by Pants."""


def commands(nodeid: str, circumstances: Circumstances) -> Rerun:
    """Both ways to run a test again."""
    options = _options(circumstances)
    by_pytest = shlex.join(["pytest", nodeid, *options])
    if not circumstances.pants:
        return Rerun(by_pytest)
    file, _, rest = nodeid.partition("::")
    found = _FUNCTION.findall(rest.partition("[")[0])
    selected = ["-k", found[-1]] if found else []
    by_pants = shlex.join(["./pants", "test", "--force", file, "--", *selected, *options])
    return Rerun(by_pytest, by_pants)


def _options(circumstances: Circumstances) -> Sequence[str]:
    options = [f"--shakeout-seed={circumstances.seed}"]
    if circumstances.randomly:
        options.append(f"--randomly-seed={circumstances.seed}")
    if circumstances.durable:
        options.append("--durable")
    return options
