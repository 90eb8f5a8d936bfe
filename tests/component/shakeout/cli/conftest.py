"""`shakeout` as a person runs it: as a command, in a directory that holds the example system."""

import asyncio
import dataclasses
import itertools
import json
import os
import sys
from pathlib import Path

import pytest

from shakeout import mortal, settings

DIRECTORY = Path(__file__).parent.parent
ANSWER_SECONDS_MAX = 30
NUMBERS = itertools.count(1)


@dataclasses.dataclass
class Ended:
    """A command that has ended."""

    code: int
    out: str
    error: str

    @property
    def record(self):
        """Its output, if that is JSON."""
        return json.loads(self.out)


class Command:
    """A command that runs."""

    def __init__(self, process):
        self.process = process

    async def line(self):
        """The next line of its output."""
        async with asyncio.timeout(ANSWER_SECONDS_MAX):
            return (await self.process.stdout.readline()).decode()

    async def end(self):
        """Wait for its end."""
        async with asyncio.timeout(ANSWER_SECONDS_MAX):
            out, error = await self.process.communicate()
        return Ended(self.process.returncode, out.decode(), error.decode())


@pytest.fixture(scope="session")
def environment():
    """What the command sees: the path of this process, and no terminal."""
    own = settings.read()
    return {
        **own.inherited,
        settings.HOME: str(own.home),
        settings.CACHE: str(own.cache),
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "COLUMNS": "80",
    }


@pytest.fixture
def start(environment, shakeout_runner):
    """`await start("up", ...)`: a `Command`; what still runs after the test is ended."""
    started = []

    async def start_command(*arguments, **variables):
        process = await asyncio.create_subprocess_exec(
            *mortal.command(sys.executable, "-m", "shakeout.cli", *arguments),
            cwd=DIRECTORY,
            env={**environment, **variables},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        started.append(process)
        return Command(process)

    async def end_all():
        for process in started:
            if process.returncode is None:
                process.terminate()
            await process.communicate()

    yield start_command
    shakeout_runner.run(end_all())


@pytest.fixture
def shakeout(start):
    """`await shakeout("ps")`: the command, ended."""

    async def run(*arguments, **variables):
        return await (await start(*arguments, **variables)).end()

    return run


@pytest.fixture
def name():
    """A name for a system that no other run of these tests uses at the same time."""
    return f"t{os.getpid()}-{next(NUMBERS)}"


@pytest.fixture
def small(start, name):
    """`await small("--links")`: the small example system is up; returns what `up` told of it."""

    async def up(*arguments):
        command = await start("up", "harbour:small", "--name", name, "--json", *arguments)
        return json.loads(await command.line())

    return up
