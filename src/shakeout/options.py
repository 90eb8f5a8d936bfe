"""Command line options and markers of the pytest plugin; read by `shakeout.plugin`."""

import random

import pytest

MARKERS = (
    "cluster(**replicas): how many replicas of components the test wants: cluster(agent=2)",
    "needs(*services): which optional services the test wants: needs('s3')",
)
SEED_BITS = 32


def add(parser: pytest.Parser) -> None:
    """Declare the options."""
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
