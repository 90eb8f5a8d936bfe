"""Command line options and markers of the pytest plugin; read by `shakeout.plugin`."""

import random
from pathlib import Path

import pytest

MARKERS = (
    "cluster(**replicas): how many replicas of components the test wants: cluster(agent=2)",
    "disks: members of the test's private_cluster have disks of their own, which can be full or read-only",
    "links: the test's private_cluster has a proxy on each edge, whose behaviour can be changed",
    "allows_log(pattern, component='', reason=''): error lines of components that the test provokes",
    "needs(*services): which optional services the test wants: needs('s3')",
)
SEED_BITS = 32
TYPED_SKIPS = "shakeout_typed_skips"


def add(parser: pytest.Parser) -> None:
    """Declare the options."""
    parser.addini(
        TYPED_SKIPS,
        "whether a test may be left out only by `shakeout.skips.skip`, for a typed reason",
        type="bool",
        default=False,
    )
    group = parser.getgroup("shakeout", "whole systems under test")
    group.addoption(
        "--shakeout-seed",
        type=int,
        metavar="N",
        help="seed of everything that Shakeout decides at random (default: pytest-randomly's, "
        "else a new one)",
    )
    group.addoption(
        "--no-broker",
        action="store_true",
        help="boot every cluster in this process instead of leasing warm ones",
    )
    group.addoption(
        "--durable",
        action="store_true",
        help="services write to disk as in production; tests need no fsync, benchmarks do",
    )
    group.addoption(
        "--keep",
        action="store_true",
        help="when a test with a cluster fails, stand still with the cluster up, and tell how to look at it",
    )
    _add_evidence(group)


def _add_evidence(group: pytest.OptionGroup) -> None:
    group.addoption(
        "--shakeout-report",
        type=Path,
        metavar="DIR",
        help="where failed tests leave their pages (default: $SHAKEOUT_REPORT, else dist/shakeout "
        "below the root)",
    )
    group.addoption(
        "--evidence",
        choices=("failed", "all"),
        default="failed",
        help="whose evidence is kept: that of failed tests, or of all that use a cluster",
    )
    group.addoption(
        "--classify-flakes",
        type=int,
        default=0,
        metavar="N",
        help="run a failed test N times more with the same seed, only to tell whether it is flaky: it "
        "stays failed",
    )
    group.addoption(
        "--outcomes",
        type=Path,
        metavar="FILE",
        help="ledger of how each test ended, for flake statistics (default: outcomes.jsonl in the cache)",
    )


def declare_markers(config: pytest.Config) -> None:
    for marker in MARKERS:
        config.addinivalue_line("markers", marker)


def seed(config: pytest.Config) -> int:
    """The seed of this run. Call it once while configuring: pytest-xdist hands it to its workers."""
    given = config.getoption("--shakeout-seed")
    if given is None:
        given = config.getoption("randomly_seed", default=None)
    if not isinstance(given, int):
        given = random.SystemRandom().getrandbits(SEED_BITS)
        config.option.shakeout_seed = given
    return given
