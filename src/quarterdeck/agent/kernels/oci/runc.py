"""What runc is asked to do for one container, and what it says. Used by `container`; standard library only."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from quarterdeck.agent.kernels.spec import SetUpFailed

_NAME = "kernel"
"""What runc calls the container, in a directory of its own."""

_ended: dict[int, int] = {}
"""Wait statuses of this process's children that nobody has asked for: what is started may end before runc does."""

_NOTHING = (-1, -1, -1)


class Runc:
    """Runc with its notes of one container, which lie in the kernel's directory."""

    def __init__(self, program: str, directory: Path) -> None:
        self._program = program
        self._bundle = directory / "bundle"
        self._notes = directory / "runc"

    def create(self, configuration: dict[str, Any], descriptors: Sequence[int]) -> int:
        """Make the container, with these descriptors (-1: nothing), and return its first process. Raises `SetUpFailed` with runc's own words, OSError."""
        (self._bundle / "config.json").write_text(json.dumps(configuration))
        pid_file = self._bundle / "pid"
        self._execute(
            *("create", "--preserve-fds", "1", "--bundle", str(self._bundle)),
            *("--pid-file", str(pid_file), _NAME),
            descriptors=descriptors,
        )
        return int(pid_file.read_text())

    def start(self) -> None:
        """Start what runs in it. Raises `SetUpFailed`, OSError."""
        self._execute("start", _NAME)

    def _execute(self, *arguments: str, descriptors: Sequence[int] = _NOTHING) -> None:
        log = self._bundle / "log"
        notes = ("--root", str(self._notes), "--log", str(log), "--log-format", "json")
        null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
        given = [(null if one < 0 else one) for one in descriptors]
        actions = [(os.POSIX_SPAWN_DUP2, one, at) for at, one in enumerate(given)]
        child = os.posix_spawn(
            self._program,
            (self._program, *notes, *arguments),
            {"PATH": os.defpath},
            file_actions=actions,
        )
        os.close(null)
        if wait_for(child) != 0:
            raise SetUpFailed("kernel-failed", _in_words(log.read_text()))


def wait_for(pid: int) -> int:
    """Reap until a process has ended, and return its wait status, also if it was reaped while another was waited for."""
    while pid not in _ended:
        other, status = os.waitpid(-1, 0)
        _ended[other] = status
    return _ended.pop(pid)


def _in_words(log: str) -> str:
    """Return the last thing that runc has said, without what every error of it begins with."""
    lines = [line for line in log.splitlines() if line]
    said = str(json.loads(lines[-1])["msg"]) if lines else "runc ended without a word"
    for part in (
        "runc create failed: ",
        "unable to start container process: ",
        "error during container init: ",
    ):
        said = said.removeprefix(part)
    return said
