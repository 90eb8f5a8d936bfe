"""The agent's fork server for kernels in containers: a zygote like the other, whose children have runc make what they are.

`python -m quarterdeck.agent.kernels.oci.server FD isolated ROOM`. It speaks and lives as `zygote` does: it outlives its agent, keeps the ends of
channels, and all its kernels end with it. Besides, `{"rename": id, "to": id}` says which kernel becomes of a container that waited. Standard library only.
"""

import socket
import sys
from typing import Any, NoReturn

from quarterdeck.agent.kernels import zygote
from quarterdeck.agent.kernels.namespaces import Frame, Isolation
from quarterdeck.agent.kernels.oci import process, programs
from quarterdeck.agent.kernels.owners import Owner
from quarterdeck.agent.kernels.runner import NO_FAILURE
from quarterdeck.agent.kernels.spec import ISOLATED
from quarterdeck.agent.kernels.zygote import Child, Zygote


class Server(Zygote):
    """Forks processes that wait to become containers."""

    idle_count = 2

    def __init__(self, agent: socket.socket, isolation: Isolation) -> None:
        self._runc = programs.runc() or "runc"
        super().__init__(agent, isolation)

    def _take(self, message: dict[str, Any], given: list[int]) -> None:
        match message:
            case {"rename": kernel, "to": new}:
                self._rename(kernel, new)
            case _:
                super()._take(message, given)

    def _rename(self, kernel: str, new: str) -> None:
        """Know a container that waited as the kernel that it becomes."""
        child = self._kernels.pop(kernel, None)
        if child is not None:
            self._kernels[new] = child
        end = self._line.custody.rename(kernel, new)
        if end is not None:
            self._line.say(end)

    def _make_frame(self) -> Frame | None:
        return None

    def _give(self, child: Child, given: list[int]) -> None:
        socket.send_fds(child.link, [NO_FAILURE], given)

    def _kept_by_children(self, owner: Owner) -> tuple[int, ...]:
        return () if owner.mapping < 0 else (owner.mapping,)

    def _become(self, owner: Owner, link: int, _first: int) -> NoReturn:
        process.main(link, owner, self._runc)


if __name__ == "__main__":
    zygote.main(int(sys.argv[1]), isolate=sys.argv[2] == ISOLATED, kind=Server)
