"""Shared memory: what a run made goes with it, what others made stays."""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from shakeout.process import linux, procfs, shared
from shakeout.process.handle import Process
from shakeout.process.spawn import Program
from shakeout.process.supervisor import Supervisor
from shakeout.waiting.until import until

WITHIN_SECONDS = 5
OLDER_NS_MIN = (
    2 * shared.CLOCK_NS_MAX
)  # so that the clocks tell it from what the next process makes


def program(run: Supervisor, call: str, *args: str) -> Program:
    directory = run.run_directory / call
    return Program(call, directory, directory / "log", call=f"cast:{call}", args=args)


@pytest.fixture
def treasure() -> Iterator[Path]:
    """A file of the user in /dev/shm, made before the run."""
    path = Path(shared.FILES, f"treasure-{os.getpid()}")
    path.write_bytes(b"gold")
    yield path
    path.unlink(missing_ok=True)


@pytest.fixture
def witness(home: Path) -> Path:
    return home / "witness"


async def borrowed(process: Process) -> None:
    await until(lambda: "borrowed" in process.log.read_text(), within=WITHIN_SECONDS)


@pytest.mark.parametrize("mode", ["rb", "r+b"])
async def test_older_file_that_changed_during_the_run_stays(
    treasure, settings, inherited, data, monkeypatch, mode
):
    monkeypatch.syspath_prepend(data)
    async with await Supervisor.open(settings) as run:
        treasure.write_bytes(b"more gold")
        await borrowed(await run.start(program(run, "borrower", "-", str(treasure), mode)))
    assert treasure.read_bytes() == b"more gold"


@pytest.mark.parametrize("mode", ["rb", "r+b"])
async def test_file_that_another_made_during_the_run_stays(
    treasure, settings, data, monkeypatch, mode
):
    monkeypatch.syspath_prepend(data)
    treasure.unlink()
    async with await Supervisor.open(settings) as run:
        treasure.write_bytes(b"gold")
        await until(lambda: age_ns(treasure) > OLDER_NS_MIN, within=WITHIN_SECONDS)
        await borrowed(await run.start(program(run, "borrower", "-", str(treasure), mode)))
    assert treasure.read_bytes() == b"gold"


async def test_file_of_a_scope_goes_with_it(run: Supervisor, witness):
    scope = run.scope("one")
    await scope.start(program(run, "holder", str(witness)))
    await until(witness.exists, within=WITHIN_SECONDS)
    name = json.loads(witness.read_text())["shared"]
    assert name in names()
    await scope.stop()
    assert name not in names()


async def test_file_of_the_same_name_that_was_made_later_stays(run: Supervisor, treasure):
    file = shared.File((linux.born_ns(str(treasure)) or 0) + 1, str(treasure))
    shared.remove_files(run.run_directory, {file})
    assert treasure.exists()


def test_file_of_which_no_birth_is_known_is_nobodys(treasure, home: Path, monkeypatch):
    monkeypatch.setattr(linux, "born_ns", lambda _path: None)
    with treasure.open("r+b"):
        assert shared.note_files(home, {os.getpid()}) >= {str(treasure)}
    assert shared.noted_files(home) == set()


@pytest.mark.parametrize("fate", ["stays", "orphaned", "ends"])
async def test_segments_of_grandchildren_go(settings, witness, data, monkeypatch, fate: str):
    """Close a run and look for what was made by a process that the harness did not start."""
    monkeypatch.syspath_prepend(data)
    async with await Supervisor.open(settings) as run:
        scope = run.scope("one")
        await scope.start(program(run, "grandparent", str(witness), fate))
        await until(
            lambda: witness.exists() and witness.read_text().endswith("\n"), within=WITHIN_SECONDS
        )
        segment = json.loads(witness.read_text())["segment"]
        assert segment in segments()
        await scope.stop()
        assert segment not in segments()


def age_ns(path: Path) -> int:
    return time.time_ns() - (linux.born_ns(str(path)) or 0)


def segments() -> set[int]:
    return {each.identifier for each in procfs.segments()}


def names() -> set[str]:
    return {path.name for path in Path(shared.FILES).iterdir()}
