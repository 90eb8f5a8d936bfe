"""`python -m benchmarks [SUITE...]`: measure each headline figure and its peer in turn, print a table, write JSON and a plot."""

import asyncio
import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks import (
    cluster_boot,
    containers,
    harness,
    interfaces,
    link_overhead,
    machine,
    overheads,
    report,
    sessions,
    transfers,
)
from benchmarks.figure import Figure

SUITES = {
    "cluster_boot": cluster_boot.figures,
    "harness": harness.figures,
    "overheads": overheads.figures,
    "link_overhead": link_overhead.figures,
    "sessions": sessions.figures,
    "containers": containers.figures,
    "interfaces": interfaces.figures,
    "transfers": transfers.figures,
}
TARGET = Path("dist/benchmarks")


def main() -> int:
    """Run the named suites, or all; returns the exit code."""
    wanted = sys.argv[1:] or list(SUITES)
    if unknown := set(wanted) - set(SUITES):
        sys.stderr.write(f"no suite {', '.join(sorted(unknown))}; there are {', '.join(SUITES)}\n")
        return 2
    machine.compile_ours()
    before = machine.load()
    say(f"{machine.describe()}, load average {before:.1f}\n")
    figures = asyncio.run(measure(wanted))
    after = machine.load()
    report.write(figures, machine.facts() | {"load_before": before, "load_after": after}, TARGET)
    say(f"\nratio: how many times better than the peer. Load average {after:.1f} at the end.")
    say(f"All samples and a plot: {TARGET}/")
    return 0


async def measure(wanted: Sequence[str]) -> list[Figure]:
    """Run suites, and print each row when it is there."""
    figures = []
    say(report.head())
    for name in wanted:
        async with contextlib.aclosing(SUITES[name]()) as found:
            async for figure in found:
                figures.append(figure)
                say(report.line(figure))
    return figures


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
