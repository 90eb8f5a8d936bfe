"""A killed test runner leaves nothing, whenever it is killed: no process, no directory, no shared memory."""

import asyncio
import json
import os
import random
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shakeout import mortal, settings
from shakeout.checks import subtree
from shakeout.runner import Runner
from shakeout.waiting.until import until

HERE = Path(__file__).parent
START_SECONDS = 4.0
"""From before the first process to the middle of the work: a run is busy after two to three seconds, later on a loaded machine."""
BUSY_SECONDS = 1.5
"""From the moment that a run is busy, whenever that is."""

GRACE_SECONDS = 5.0
POSTGRES_SEGMENT_BYTES = "56"
ORDERLY = [(name, number) for name in ("SIGTERM", "SIGINT") for number in range(4)]


@pytest.fixture
def home() -> Iterator[Path]:
    """A place for runs of this test alone, with a short path: sockets lie in it."""
    base = settings.read().home
    base.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix="k-", dir=base))
    yield made
    shutil.rmtree(made)


@pytest.fixture
def segments(shakeout_runner: Runner) -> Iterator[None]:
    """Fails the test if shared memory without an owner is there afterwards that was not before, and stays.

    That of other runs on this machine, whose servers are killed at the same time, goes soon.
    """
    before = orphaned_segments()
    yield
    new = orphaned_segments() - before
    shakeout_runner.run(until(lambda: not new & orphaned_segments(), within=GRACE_SECONDS))


@pytest.mark.usefixtures("segments")
@pytest.mark.parametrize("number", range(20))
async def test_nothing_is_left_after_sigkill(home, rng, number):
    """Kill a run at a random moment. Five seconds later the kernel knows no descendant of it, and its places are empty.

    Every second run is busy for sure: its moment is counted from when it said so.
    """
    told = await census("SIGKILL", home, rng, busy=number % 2 == 0)
    assert told["code"] == -signal.SIGKILL, told["said"]
    assert_nothing_is_left(told, home)


@pytest.mark.usefixtures("segments")
@pytest.mark.parametrize(("name", "number"), ORDERLY)
async def test_nothing_is_left_after_an_orderly_end(home, rng, name, number):
    """SIGTERM and Ctrl-C end a run at any moment; one that is busy tells that it was interrupted.

    Before pytest listens, the signal ends Python itself, or Ctrl-C the import of `site` with code 1.
    """
    busy = number % 2 == 0
    told = await census(name, home, rng, busy=busy)
    unheard = set() if busy else {-signal.Signals[name], *({1} if name == "SIGINT" else ())}
    assert told["code"] in {pytest.ExitCode.INTERRUPTED, *unheard}, told["said"]
    assert_nothing_is_left(told, home)


async def test_nothing_outlives_a_census_that_is_killed(home):
    """Kill the parent of a busy run. The run is killed with it, and with that everything that it started."""
    process = await start_census("SIGKILL", home, marker="-", seconds=60)
    await until((home / "t" / "busy").exists, within=60)
    (run,) = subtree.children(process.pid)
    process.kill()
    await process.communicate()
    await until(lambda: not Path(f"/proc/{run}").exists(), within=GRACE_SECONDS)
    await until(lambda: not places(home), within=GRACE_SECONDS)


async def census(name: str, home: Path, rng: random.Random, *, busy: bool) -> dict[str, Any]:
    """Signal a run at a random moment: after it got busy, or any."""
    marker = home / "t" / "busy"
    seconds = rng.uniform(0, BUSY_SECONDS if busy else START_SECONDS)
    process = await start_census(name, home, marker=str(marker) if busy else "-", seconds=seconds)
    async with asyncio.timeout(120):
        told, _ = await process.communicate()
    assert marker.exists() or not busy, "the run never got busy"
    return dict(json.loads(told))


async def start_census(
    name: str, home: Path, *, marker: str, seconds: float
) -> asyncio.subprocess.Process:
    pytest_run = (
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        f"--basetemp={home / 't'}",
        f"--shakeout-report={home / 'evidence'}",
        f"--outcomes={home / 'outcomes'}",
        str(HERE / "victim.py"),
    )
    program = (sys.executable, str(HERE / "census.py"))
    arguments = (name, marker, str(seconds), str(GRACE_SECONDS))
    return await asyncio.create_subprocess_exec(
        *mortal.command(*program, *arguments, *pytest_run),
        stdout=asyncio.subprocess.PIPE,
        env=environment(home),
    )


def environment(home: Path) -> dict[str, str]:
    known = settings.read()
    return {
        **known.inherited,
        settings.HOME: str(home),
        settings.CACHE: str(known.cache),
        settings.BROKER: "off",
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }


def assert_nothing_is_left(told: dict[str, Any], home: Path) -> None:
    assert told["left"] == []
    assert places(home) == []


def places(home: Path) -> list[str]:
    """Directories of runs that are there."""
    return [path.name for path in home.iterdir() if path.name.startswith("shk-")]


def orphaned_segments() -> set[str]:
    """PostgreSQL's System V shared memory that nobody is attached to and whose maker is gone."""
    rows = [line.split() for line in Path("/proc/sysvipc/shm").read_text().splitlines()[1:]]
    servers = [row for row in rows if row[3] == POSTGRES_SEGMENT_BYTES]
    return {row[1] for row in servers if row[6] == "0" and not Path(f"/proc/{row[4]}").exists()}
