"""A program that a test starts, such as a pytest of its own, ends with that test's process."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from shakeout import mortal, settings
from shakeout.waiting.until import until

PARENT = """
import subprocess, sys
from shakeout import mortal

child = subprocess.Popen(mortal.command(sys.executable, "-c", "import signal; signal.pause()"))
print(child.pid, flush=True)
child.wait()
"""


@pytest.fixture
def parent():
    environment = {**settings.read().inherited, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = (sys.executable, "-c", PARENT)
    with subprocess.Popen(command, env=environment, text=True, stdout=subprocess.PIPE) as process:
        yield process
        process.kill()


async def test_mortal_program_is_killed_with_its_parent(parent):
    child = Path("/proc") / parent.stdout.readline().strip()
    assert child.exists()
    parent.kill()
    await until(lambda: not child.exists(), within=30)


def test_mortal_program_runs_as_if_started_directly():
    command = mortal.command(
        sys.executable, "-c", "import sys; sys.exit(len(sys.argv))", "a", "b c"
    )
    assert subprocess.run(command, check=False).returncode == 3


def test_mortal_program_whose_parent_is_gone_already_does_not_run():
    command = list(mortal.command(sys.executable, "-c", "print('runs')"))
    command[command.index(str(os.getpid()))] = str(1 << 30)
    ended = subprocess.run(command, check=False, capture_output=True)
    assert (ended.returncode, ended.stdout) == (1, b"")
