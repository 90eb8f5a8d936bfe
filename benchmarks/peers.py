"""The peers: what people use today, in a virtual environment of their own, run as programs in `peer_programs`.

A peer that cannot run says why on stderr, once, and gives no samples.
"""

import contextlib
import functools
import hashlib
import json
import os
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

PROGRAMS = Path(__file__).parent / "peer_programs"
ENVIRONMENT = Path("dist/peers-venv")
ANSWER_SECONDS_MAX = 180.0
INSTALL_SWITCHES = ("--require-hashes", "--no-deps", "--compile-bytecode")
"""Compiled: where PYTHONDONTWRITEBYTECODE is set each of their processes would compile all it imports, for a second or so."""
ORDINARY_USER = ("unshare", "--user", "--map-user=1000", "--map-group=1000")
"""PostgreSQL refuses to run as root, and pytest-postgresql offers no way round."""


class CannotRun(Exception):
    """Why a peer gives no samples."""


class Peer:
    """A running program that measures what it is told by lines, and answers each with a line of JSON. Use it in a `with`."""

    def __init__(self, program: str, *words: str) -> None:
        self._name = " ".join((program.removesuffix(".py"), *words))
        self._program = program
        self._words = words
        self._process: subprocess.Popen[str] | None = None
        self._errors: IO[str] | None = None

    def __enter__(self) -> "Peer":
        try:
            words = (tool("python"), str(PROGRAMS / self._program), *self._words)
            self._errors = tempfile.TemporaryFile("w+")
            self._process = subprocess.Popen(
                words,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                text=True,
                env=_environment(),
            )
        except (CannotRun, OSError) as error:
            say(self._name, str(error))
        return self

    def __exit__(self, *_: object) -> None:
        """End the program: it stops what it started when its input ends."""
        if self._process is not None:
            self._process.communicate()
        if self._errors is not None:
            self._errors.close()

    def ask(self, *words: object) -> Any:
        """Let it do something and return its answer; None if it cannot."""
        if self._process is None or self._process.stdin is None or self._process.stdout is None:
            return None
        with contextlib.suppress(BrokenPipeError):
            print(*words, file=self._process.stdin, flush=True)
        ready, _, _ = select.select([self._process.stdout], [], [], ANSWER_SECONDS_MAX)
        if ready and (line := self._process.stdout.readline()):
            return json.loads(line)
        self._give_up("no answer" if not ready else "it ended")
        return None

    def samples(self, *words: object) -> list[float]:
        """Let it measure and return the samples; none if it cannot."""
        return self.ask(*words) or []

    def _give_up(self, why: str) -> None:
        if self._process is not None and self._errors is not None:
            self._process.kill()
            self._process.wait()
            self._errors.seek(0)
            say(self._name, f"{why}: {_last_line(self._errors.read())}")
        self._process = None


def once(program: str, *, as_ordinary_user: bool = False) -> Mapping[str, list[float]]:
    """Run a program that prints one JSON object of samples by name; an empty one if it cannot run."""
    prefix = ORDINARY_USER if as_ordinary_user and os.getuid() == 0 else ()
    try:
        words = (*prefix, tool("python"), str(PROGRAMS / program))
        found: dict[str, list[float]] = json.loads(_output(words))
    except (CannotRun, OSError) as error:
        say(program.removesuffix(".py"), str(error))
        return {}
    return found


def command(name: str, *words: str) -> list[float]:
    """Seconds of one command of a peer; nothing if it cannot run."""
    try:
        program = tool(name)
        began = time.perf_counter()
        _output((program, *words))
    except (CannotRun, OSError) as error:
        say(" ".join((name, *words)), str(error))
        return []
    return [time.perf_counter() - began]


@functools.cache
def say(name: str, why: str) -> None:
    """Tell, once, why a peer gives no samples."""
    sys.stderr.write(f"peer {name} cannot run: {why}\n")


def _output(words: Sequence[str]) -> str:
    try:
        ran = subprocess.run(
            words,
            capture_output=True,
            text=True,
            check=False,
            env=_environment(),
            timeout=ANSWER_SECONDS_MAX,
        )
    except subprocess.TimeoutExpired as error:
        raise CannotRun(str(error)) from error
    if ran.returncode != 0:
        raise CannotRun(f"exit code {ran.returncode}: {_last_line(ran.stderr)}")
    return ran.stdout


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["it said nothing"])[-1]


def _environment() -> dict[str, str]:
    """Ours without our own packages."""
    return {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}


def tool(name: str) -> str:
    """Return the path of a program in the peers' environment. Raises `CannotRun` if that cannot be made."""
    if refusal := _refusal():
        raise CannotRun(refusal)
    return str((ENVIRONMENT / "bin" / name).absolute())


@functools.cache
def _refusal() -> str:
    """Make the environment if the one that is there is not of this lock; returns why that failed."""
    lock = PROGRAMS / "requirements.lock"
    made, digest = ENVIRONMENT / "compiled-from", hashlib.sha256(lock.read_bytes()).hexdigest()
    if made.exists() and made.read_text() == digest:
        return ""
    uv = Path(sys.executable).parent / "uv"
    python = ENVIRONMENT / "bin/python"
    sys.stderr.write(f"making {ENVIRONMENT} for the peers\n")
    try:
        _run(uv, "venv", "--clear", "--python", sys.executable, ENVIRONMENT)
        _run(uv, "pip", "install", *INSTALL_SWITCHES, "--python", python, "-r", lock)
    except OSError as error:
        return str(error)
    except subprocess.CalledProcessError as error:
        return f"{ENVIRONMENT} cannot be made: {_last_line(error.stderr)}"
    made.write_text(digest)
    return ""


def _run(uv: Path, *words: str | Path) -> None:
    subprocess.run((uv, *words), check=True, capture_output=True, text=True)
