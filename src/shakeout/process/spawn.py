"""What to start and how it ended: the pure types of the process layer.

`scope` starts a `Program` and returns a process; `errors` describes an `Exit` that nobody expected.
"""

import dataclasses
import os
import signal as signals
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Self

SOCKETS_MAX = 32
NAME_BYTES_MAX = 64


@dataclasses.dataclass(frozen=True)
class Program:
    """One process to start: an executable (`argv`) or a function forked from the zygote (`call`).

    `call` is "module:function"; it is called like a console script, without arguments, with
    `sys.argv` = [name, *args], and its result is the exit code. The process sees exactly
    `environment` (plus SHAKEOUT_RUN, and TMPDIR unless given), runs in `directory`, appends stdout and
    stderr to `log`. It inherits `sockets` as descriptors 3, 4, ... with LISTEN_FDS, LISTEN_PID and
    LISTEN_FDNAMES set as systemd does; the caller closes its own copies after the start.
    With `namespaces`, a pid, it joins the user and mount namespace of that process.
    With `exit_expected`, whoever starts it watches for its end, which fails the run of nobody else.
    """

    name: str
    directory: Path
    log: Path
    argv: tuple[str, ...] = ()
    call: str = ""
    args: tuple[str, ...] = ()
    environment: Mapping[str, str] = dataclasses.field(default_factory=dict)
    sockets: tuple[socket.socket, ...] = ()
    socket_names: tuple[str, ...] = ()
    exit_expected: bool = False
    namespaces: int = 0

    def __post_init__(self) -> None:
        if bool(self.argv) == bool(self.call):
            raise ValueError(f"{self.name}: give exactly one of argv and call")
        if self.args and not self.call:
            raise ValueError(f"{self.name}: args belong to call; put them into argv")
        if self.call and ":" not in self.call:
            raise ValueError(f"{self.name}: call is 'module:function', not {self.call!r}")
        if len(self.sockets) > SOCKETS_MAX:
            raise ValueError(f"{self.name}: at most {SOCKETS_MAX} sockets")
        if self.socket_names and len(self.socket_names) != len(self.sockets):
            raise ValueError(f"{self.name}: name all sockets or none")


@dataclasses.dataclass(frozen=True)
class Exit:
    """How a process ended: by exit `code` or by `signal`; exactly one is set.

    `cause` says why when the harness knows better, for instance that the parent was killed.
    """

    code: int | None = None
    signal: int | None = None
    cause: str = ""

    @classmethod
    def from_wait_status(cls, status: int) -> Self:
        """Translate the status that waitpid gives."""
        if os.WIFSIGNALED(status):
            return cls(signal=os.WTERMSIG(status))
        return cls(code=os.WEXITSTATUS(status))

    @property
    def clean(self) -> bool:
        return self.code == 0

    def __str__(self) -> str:
        text = f"exited with code {self.code}"
        if self.signal is not None:
            text = f"was killed by {_signal_name(self.signal)}"
        return f"{text} ({self.cause})" if self.cause else text


def _signal_name(number: int) -> str:
    try:
        return signals.Signals(number).name
    except ValueError:
        return f"signal {number}"
