"""A kernel that is a shell: the image's /bin/sh reads which piece of code comes next and tells how it ended. Used by `container`.

The code lies in a file that the container sees read-only, and runs in the one shell: variables and the directory stay from piece to piece. It
has neither of the shell's two channels. A syntax error ends the piece, not the shell; `exit` ends the kernel.
"""

import os
import select
import shlex
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from quarterdeck.agent.kernels import channel, serving
from quarterdeck.agent.kernels.begun import Begun
from quarterdeck.agent.kernels.linux import Mark
from quarterdeck.agent.kernels.oci.bundle import GIVEN

CELL = "cell"
"""In what a container is given: the piece of code that runs."""

PROGRAM = f"""exec 4<&0 0</dev/null
trap : INT
__qd_run() {{ __qd_cut=; trap "__qd_cut=130; return 130" INT; command . {GIVEN}/{CELL} 3>&- 4<&-; }}
__qd_tell() {{ trap : INT; echo $__qd_at $__qd_end >&3; }}
__qd_serve() {{ while read -r __qd_at <&4; do __qd_run; __qd_end=${{__qd_cut:-$?}}; __qd_tell; done; exit 0; }}
while :; do __qd_serve; __qd_end=$?; __qd_tell; done
"""
"""An interrupt makes the piece return, be it in a loop; one that comes a moment late makes the loop of pieces return, which begins again.

Which status a piece has then that was between two commands differs from shell to shell; so it is kept that it was cut.
"""
CLAIM = "claim"
"""In what a container is given that waited: how it becomes the kernel."""

WAITING = f"echo >&0; read -r n && . {GIVEN}/{CLAIM}"
"""What a shell does until then: it says that it waits, and is told to go on."""

_ANSWER_BYTES_MAX = 100


def claim(environment: Mapping[str, str]) -> str:
    """Return what a shell that waited does to be the kernel's, with these variables besides those that it has: it begins anew."""
    exports = (f"export {name}={shlex.quote(value)}" for name, value in environment.items())
    return "\n".join((*exports, f"exec /bin/sh -c {shlex.quote(PROGRAM)}\n"))


class Streams(NamedTuple):
    """The ends of a shell's channels: its own (`stdin`, `answers`), which the container has alone once it is made, and ours."""

    stdin: int
    answers: int
    orders: int
    told: int

    @classmethod
    def open(cls, stdin: int = -1, orders: int = -1) -> "Streams":
        """Make the channels, where orders have none yet. Raises OSError."""
        if stdin < 0:
            stdin, orders = os.pipe()
        told, answers = os.pipe()
        return cls(stdin, answers, orders, told)


class Shell:
    """Takes code from the agent and gives it to the shell. `given`: the directory that the container sees."""

    def __init__(self, control: socket.socket, streams: Streams, given: Path) -> None:
        self._control = control
        self._streams = streams
        self._given = given
        self._number = 0
        self._run = ""
        self._begun = Begun()
        self._title = Mark.of_last_argument()
        self._resumed: int | None = None
        self._answer = b""

    def serve(self, pid: int) -> None:
        """Tell the agent that the kernel has started, with its pid, and serve until the shell ends. Raises OSError."""
        channel.send(self._control, {"started": pid})
        poll = select.poll()
        poll.register(self._streams.told, select.POLLIN)
        poll.register(self._control, select.POLLIN)
        while True:
            ready = {descriptor for descriptor, _ in poll.poll()}
            if self._streams.told in ready and not self._hear():
                return
            if self._control.fileno() in ready:
                self._take()

    def _take(self) -> None:
        try:
            request = channel.receive(self._control)
        except channel.ChannelBroken:
            os._exit(serving.EXIT_CHANNEL_LOST)
        if "execute" in request:
            self._begin(request)
        elif "complete" in request:
            at = request["cursor"]
            found = {"matches": [], "start": at, "end": at}
            self._say({"said": "completed", "number": request["complete"], **found})
        elif "resume" in request:
            self._resumed = request["resume"]
            self._tell_resumed()

    def _begin(self, request: dict[str, Any]) -> None:
        """Have the shell run code, or a command, which is code too; not what it has run already."""
        if not self._begun.note(request["run"]):
            told = {"number": request["execute"], "run": request["run"]}
            self._say({"said": "done", "status": "forgotten", **told})
            return
        self._number, self._run = request["execute"], request["run"]
        self._title.write(f"kernel here run {self._run}")
        code = shlex.join(request["command"]) if "command" in request else request["code"]
        new = self._given / f"{CELL}.new"
        new.write_text(code + "\n", encoding="utf-8")
        new.rename(self._given / CELL)
        os.write(self._streams.orders, f"{self._number}\n".encode())

    def _hear(self) -> bool:
        """Tell the agent what the shell says; False: it has ended."""
        said = os.read(self._streams.told, _ANSWER_BYTES_MAX)
        self._answer += said
        *lines, self._answer = self._answer.split(b"\n")
        for line in lines:
            number, _, status = line.decode().partition(" ")
            if number == str(self._number):
                self._end(int(status))
        return bool(said)

    def _end(self, status: int) -> None:
        told = {"number": self._number, "run": self._run, "exit_code": status}
        self._say({"said": "done", "status": "error" if status else "ok", **told})
        self._title.write("kernel here")
        self._run = ""
        self._tell_resumed()

    def _tell_resumed(self) -> None:
        """Tell a new agent that nothing is under way any more, once that is so."""
        if self._resumed is not None and not self._run:
            self._say({"said": "resumed", "number": self._resumed})
            self._resumed = None

    def _say(self, message: dict[str, Any]) -> None:
        channel.send(self._control, message)
