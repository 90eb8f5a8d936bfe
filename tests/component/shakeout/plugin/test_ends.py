"""However a run ends (Ctrl-C, SIGTERM, SIGKILL), its exit code is not 0 and nothing of it is left."""

import signal
from pathlib import Path

import pytest

from shakeout.process import procfs
from shakeout.waiting.until import until

TESTS = """
import asyncio
import threading
from pathlib import Path

import pytest


@pytest.fixture
def started(cluster, supervisor):
    Path("run").write_text(f"{supervisor.run_id} {supervisor.run_directory}")


async def test_coroutine(started):
    await asyncio.Event().wait()


async def test_stubborn_coroutine(started):
    while True:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            pass


def test_function(started):
    threading.Event().wait()


@pytest.fixture
def fouled(started):
    yield
    raise OSError("the rope is gone")


async def test_fouled(fouled):
    await asyncio.Event().wait()


@pytest.fixture
def waits(started, shakeout_runner):
    shakeout_runner.run(asyncio.Event().wait())


def test_set_up(waits):
    pass
"""


@pytest.fixture
def running(project):
    """Starts a run; returns the process, run id and run directory as soon as its test waits."""
    project.write(test_it=TESTS)
    place = project.directory / "run"
    place.unlink(missing_ok=True)
    processes = []

    async def start(*arguments: str):
        process = project.start("-p", "no:cacheprovider", *arguments)
        processes.append(process)
        await until(lambda: place.exists() and place.read_text(), within=30)
        run_id, _, directory = place.read_text().partition(" ")
        return process, run_id, Path(directory)

    yield start
    for process in processes:
        process.kill()
        process.communicate()


async def ended(process) -> int:
    return await until(process.poll, within=20, satisfied=lambda code: code is not None)


@pytest.mark.parametrize(
    ("test", "number"),
    [
        ("test_coroutine", signal.SIGINT),
        ("test_coroutine", signal.SIGTERM),
        ("test_coroutine", signal.SIGKILL),
        ("test_function", signal.SIGINT),
        ("test_function", signal.SIGTERM),
        ("test_set_up", signal.SIGTERM),
    ],
)
async def test_end_leaves_nothing(running, test, number):
    process, run_id, directory = await running("-k", test)
    assert procfs.marked("SHAKEOUT_RUN", run_id)
    process.send_signal(number)
    assert await ended(process) != 0
    await until(lambda: not procfs.marked("SHAKEOUT_RUN", run_id), within=5)
    await until(lambda: not directory.exists(), within=5)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
async def test_end_of_a_run_with_workers_leaves_nothing(running, number):
    process, run_id, directory = await running("-p", "xdist", "-n", "2", "-k", "test_coroutine")
    process.send_signal(number)
    assert await ended(process) != 0
    await until(lambda: not procfs.marked("SHAKEOUT_RUN", run_id), within=5)
    await until(lambda: not directory.exists(), within=5)


async def test_second_signal_ends_a_coroutine_that_swallows_the_first(running):
    process, run_id, _ = await running("-k", "test_stubborn_coroutine")
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGINT)
    assert await ended(process) != 0
    await until(lambda: not procfs.marked("SHAKEOUT_RUN", run_id), within=5)


async def test_ignored_interrupt_stays_ignored(running):
    """As in `nohup pytest &`: whoever starts us may want to be deaf to Ctrl-C, but not to SIGTERM."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        process, _, _ = await running("-k", "test_coroutine")
    finally:
        signal.signal(signal.SIGINT, before)
    status = (procfs.PROC / str(process.pid) / "status").read_text()
    ignored = int(status.partition("SigIgn:")[2].split()[0], 16)
    assert ignored & 1 << signal.SIGINT - 1
    process.send_signal(signal.SIGTERM)
    assert await ended(process) == pytest.ExitCode.INTERRUPTED


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_clean_up_that_fails_after_the_end_is_told_in_words(running, project, number):
    """What ended the run is what its exit code tells. End a test whose fixture raises in its clean-up."""
    process, run_id, directory = await running("-k", "test_fouled", "--shakeout-report=evidence")
    process.send_signal(number)
    assert await ended(process) == pytest.ExitCode.INTERRUPTED
    output = process.stdout.read()
    assert "OSError: the rope is gone\n" in output
    assert "Traceback" not in output
    assert f"KeyboardInterrupt: {signal.Signals(number).name}" in output
    assert list((project.directory / "evidence").glob("*/part.json"))
    await until(lambda: not procfs.marked("SHAKEOUT_RUN", run_id), within=5)
    await until(lambda: not directory.exists(), within=5)
