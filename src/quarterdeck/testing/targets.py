"""What an attacker in a kernel could hope to find on this machine: listeners, processes, shared memory, and things put there to be found."""

import contextlib
import os
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from quarterdeck.client.folders import Folder
from quarterdeck.client.sessions import Session
from quarterdeck.testing.oracles import Observe
from quarterdeck.testing.tenancy import User
from shakeout.process import procfs
from shakeout.system.cluster import Cluster

SECRET = "the-secret-of-somebody-else"
_LISTENING = "00010000"
_PORTS_MAX = 200


@dataclass
class Bait:
    """Things outside of the kernel that nobody in it may reach. `victim`: a process; `heard`: what listens for whoever comes."""

    victim: "subprocess.Popen[bytes]"
    heard: list[socket.socket]
    shared: str
    free_port: int

    def reached(self) -> list[str]:
        """Return what has been reached."""
        reached = [str(one.getsockname()) for one in self.heard if _somebody_came(one)]
        if self.victim.poll() is not None:
            reached.append("the victim")
        if _answers(self.free_port):
            reached.append("a port on the host")
        return reached


@contextlib.contextmanager
def lay(directory: Path) -> Iterator[Bait]:
    """Lay bait for the time of a block."""
    with contextlib.ExitStack() as stack:
        victim = stack.enter_context(
            subprocess.Popen(["sleep", "600"], env={"CANARY": SECRET}, stdin=subprocess.DEVNULL)
        )
        stack.callback(victim.kill)
        tcp = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        heard = [tcp]
        for name in (str(directory / "bait"), f"\0bait-{os.getpid()}"):
            one = stack.enter_context(socket.socket(socket.AF_UNIX))
            one.bind(name)
            one.listen()
            heard.append(one)
        for one in heard:
            one.settimeout(0)
        memory = Path("/dev/shm", f"bait-{os.getpid()}")
        stack.callback(memory.unlink)
        memory.write_text(SECRET)
        yield Bait(victim, heard, memory.name, _free_port())


async def with_secrets(user: User) -> tuple[Session, Folder]:
    """Make a session and a folder in it, each with a secret."""
    folder = await user.folders.create("private")
    session = await user.sessions.create(mounts={"private": folder})
    await session.reaches("RUNNING", within=10)
    for path in ("secret", "private/secret"):
        await session.execute(f"open({path!r}, 'w').write({SECRET!r})")
    return session, folder


def known(
    cluster: Cluster,
    observe: Observe,
    attacker: str,
    *,
    victim: tuple[Session, Folder],
    bait: Bait,
) -> dict[str, Any]:
    """Return what an attacker, a session, could know of the system. `victim`: another session, with secrets in its directory and folder."""
    other, folder = victim
    kernel, other_kernel = observe.kernel(attacker), observe.kernel(other.id)
    if kernel is None or other_kernel is None:
        raise LookupError("attacker and victim must run")
    scratch = observe.scratch()[other_kernel]
    ancestors = _ancestors(observe.kernel_pids(kernel)[0])
    sockets, abstract = listening_sockets()
    return {
        "secret": SECRET,
        "kernel": kernel,
        "other_kernel": other_kernel,
        "scratch_secret": str(scratch / "work" / "secret"),
        "scratch_root": str(scratch.parent),
        "folder_secret": str(observe.trees()[folder.id] / "secret"),
        "directories": [
            str(cluster.place(one).directory) for one in ("manager", "postgres", "storage-proxy")
        ],
        "agent": ancestors[-1],
        "zygote": ancestors[0],
        "pids": [one.pid for one in procfs.everyone() if one.pid > 1000][:200],
        "victim": bait.victim.pid,
        "shared": bait.shared,
        "shared_key": 0,
        "free_port": bait.free_port,
        "ports": listening_ports(),
        "sockets": sockets,
        "abstract": abstract,
        "addresses": own_addresses(),
    }


def _ancestors(pid: int) -> list[int]:
    """Return the processes above a process, as far as they belong to the agent."""
    found: list[int] = []
    while (one := procfs.stat(pid)) is not None and len(found) < 4 and one.parent > 1:
        pid = one.parent
        found.append(pid)
    return found


def listening_ports() -> list[int]:
    """Return the TCP ports that anybody on this machine listens on."""
    table = Path("/proc/net/tcp").read_text()
    return sorted({one.port for one in procfs.parse_listeners(table)})[:_PORTS_MAX]


def listening_sockets() -> tuple[list[str], list[str]]:
    """Return the paths of Unix sockets that anybody listens on, and the names of abstract ones."""
    lines = [line.split() for line in Path("/proc/net/unix").read_text().splitlines()[1:]]
    names = {line[7] for line in lines if len(line) == 8 and line[3] == _LISTENING}
    paths = sorted(name for name in names if name.startswith("/"))
    return paths, sorted(name[1:] for name in names if name.startswith("@"))


def own_addresses() -> list[str]:
    """Return the host's addresses besides loopback."""
    found = socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)
    return sorted({str(one[4][0]) for one in found} - {"127.0.0.1"})


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as one:
        port: int = one.getsockname()[1]
        return port


def _somebody_came(listener: socket.socket) -> bool:
    try:
        listener.accept()[0].close()
    except BlockingIOError:
        return False
    return True


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except ConnectionRefusedError:
        return False
    return True
