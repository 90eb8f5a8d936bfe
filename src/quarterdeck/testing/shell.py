"""`qd` as a user types it: a process of its own, with nothing of this one's environment."""

import asyncio
import json
import os
import shlex
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from quarterdeck.testing.terminal import Terminal

COLUMNS = 80
SECONDS_MAX = 60.0


@dataclass(frozen=True)
class Ran:
    """What came of a command."""

    code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        """The standard output, read as JSON."""
        return json.loads(self.stdout)


class Shell:
    """Runs `qd` as one user, in one directory."""

    def __init__(self, directory: Path, access: Mapping[str, str]) -> None:
        """`access` holds the variables that name the platform and the key pair."""
        self._directory = directory
        self._access = access
        self._environment = {
            **access,
            "HOME": str(directory),
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "COLUMNS": str(COLUMNS),
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            "BASH_FUNC_qd%%": f'() {{ {shlex.join(_argv(()))} "$@"; }}',
        }

    def terminal(self, *words: str, **environment: str) -> Terminal:
        """Return a terminal in which `qd` runs with these words, and with more variables."""
        return Terminal(
            _argv(words),
            {**self._environment, "TERM": "xterm", **environment},
            self._directory,
        )

    def access(self, **changed: str) -> "Shell":
        """Return one with other variables."""
        return Shell(self._directory, {**self._access, **changed})

    async def __call__(self, *words: str, check: bool = True, stdin: str = "") -> Ran:
        """Run `qd` with these words and return what came of it. With `check`, raises CommandFailed for an exit code not 0."""
        ran = await self._run(_argv(words), stdin)
        if check and ran.code != 0:
            raise CommandFailed(words, ran)
        return ran

    async def line(self, text: str) -> Ran:
        """Run a line of bash, which knows `qd`, and return what came of it."""
        return await self._run(("bash", "-c", text))

    def bash(self) -> Terminal:
        """Return a terminal with a bash in it, which knows `qd`."""
        argv = ("bash", "--norc", "--noprofile", "-i")
        return Terminal(argv, {**self._environment, "TERM": "xterm", "PS1": "$ "}, self._directory)

    async def _run(self, argv: tuple[str, ...], stdin: str = "") -> Ran:
        process = await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=self._directory,
            env=self._environment,
            start_new_session=True,
        )
        try:
            async with asyncio.timeout(SECONDS_MAX):
                stdout, stderr = await process.communicate(stdin.encode())
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)  # a line's programs hold its pipes
            await process.wait()
            raise
        return Ran(process.returncode or 0, stdout.decode(), stderr.decode())


def _argv(words: tuple[str, ...]) -> tuple[str, ...]:
    return (sys.executable, "-m", "quarterdeck.cli", *words)


class CommandFailed(Exception):
    """`qd` ended with an exit code that is not 0."""

    def __init__(self, words: tuple[str, ...], ran: Ran) -> None:
        super().__init__(f"qd {' '.join(words)} ended with {ran.code}:\n{ran.stderr}{ran.stdout}")
        self.ran = ran
