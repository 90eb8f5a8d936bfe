"""The agent's fork server for kernels in containers: a zygote like the other, whose children have runc make what they are.

`python -m quarterdeck.agent.kernels.oci.server FD isolated ROOM`. It speaks and lives as `zygote` does: it outlives its agent, keeps the ends of
channels, and all its kernels end with it. Standard library only.
"""

import socket
import sys
from typing import NoReturn

from quarterdeck.agent.kernels import zygote
from quarterdeck.agent.kernels.namespaces import Frame
from quarterdeck.agent.kernels.oci import container, programs
from quarterdeck.agent.kernels.owners import Owner
from quarterdeck.agent.kernels.runner import NO_FAILURE
from quarterdeck.agent.kernels.spec import ISOLATED
from quarterdeck.agent.kernels.zygote import Child, Zygote


class Server(Zygote):
    """Forks processes that wait to become containers."""

    def _make_frame(self) -> Frame | None:
        return None

    def _give(self, child: Child, given: list[int]) -> None:
        socket.send_fds(child.link, [NO_FAILURE], given)

    def _kept_by_children(self, owner: Owner) -> tuple[int, ...]:
        return () if owner.mapping < 0 else (owner.mapping,)

    def _become(self, owner: Owner, link: int) -> NoReturn:
        container.main(link, owner, programs.runc() or "runc")


if __name__ == "__main__":
    zygote.main(int(sys.argv[1]), isolate=sys.argv[2] == ISOLATED, kind=Server)
