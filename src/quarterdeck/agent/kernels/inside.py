"""Sockets inside of a kernel: made in its network, used by the agent. This is the way to and from a kernel that has nothing but `lo`.

As root a thread enters the kernel's network for the moment. An ordinary user's agent has no rights over it, but may enter the user
namespace that has them, which only a process with one thread can: `python -m quarterdeck.agent.kernels.inside PID FD WORK` is that process.

What listens for a kernel does so in a network of its own, at the other end of a wire: a program in the kernel that serves the same port on
all its addresses finds that port free.
"""

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from quarterdeck.agent.kernels import linux, wires
from quarterdeck.agent.kernels.errors import KernelDied

BACKLOG = 128
_PARENT = 1
_CLOEXEC = socket.MSG_CMSG_CLOEXEC
_SOCKETS_MAX = 64


def socket_in(pid: int) -> socket.socket:
    """Return a TCP socket in the network of the kernel with this process, not connected nor bound. Blocks. Raises `KernelDied`, OSError."""
    return _made_in(pid, "", (), ())[0]


def listeners_in(
    pid: int, here: str, there: Sequence[str], ports: Sequence[int]
) -> list[socket.socket]:
    """Return sockets that listen on these ports, at addresses that a kernel sees beyond a wire to it, at `here`. In the order of the ports.

    With the last of them the wire goes. Blocks. Raises `KernelDied`, OSError.
    """
    return _made_in(pid, here, there, ports)


def _make(here: str, there: Sequence[str], ports: Sequence[int]) -> list[socket.socket]:
    """Make what was asked for, in a thread or process that is in the kernel's network."""
    if not here:
        return [socket.socket(socket.AF_INET, socket.SOCK_STREAM)]
    wires.stretch(here, there)
    return [socket.create_server(("", port), backlog=BACKLOG) for port in ports]


def _made_in(
    pid: int, here: str, there: Sequence[str], ports: Sequence[int]
) -> list[socket.socket]:
    try:
        namespace = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    except PermissionError:
        return _by_a_process(pid, here, there, ports)
    except (FileNotFoundError, ProcessLookupError) as error:
        raise KernelDied from error
    try:
        return _by_a_thread(namespace, lambda: _make(here, there, ports))
    except PermissionError:
        return _by_a_process(pid, here, there, ports)
    finally:
        os.close(namespace)


def _by_a_thread(namespace: int, make: Callable[[], list[socket.socket]]) -> list[socket.socket]:
    """Make them in a thread that is used for nothing else, as it never comes back to its own network."""
    made: list[list[socket.socket] | OSError] = []

    def enter() -> None:
        try:
            linux.setns(namespace, linux.CLONE_NEWNET)
            made.append(make())
        except OSError as error:
            made.append(error)

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    (result,) = made
    if isinstance(result, OSError):
        raise result
    return result


def _by_a_process(
    pid: int, here: str, there: Sequence[str], ports: Sequence[int]
) -> list[socket.socket]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        work = json.dumps([here, list(there), list(ports)])
        command = (
            *(sys.executable, "-s", "-P", "-m", __name__),
            *(str(pid), str(theirs.fileno()), work),
        )
        path = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        done = subprocess.run(
            command, pass_fds=[theirs.fileno()], env=path, check=False, capture_output=True
        )
        if done.returncode != 0:
            raise KernelDied(done.stderr.decode(errors="replace").strip().rpartition("\n")[2])
        _, given, _, _ = socket.recv_fds(ours, 1, _SOCKETS_MAX, _CLOEXEC)
    return [socket.socket(fileno=one) for one in given]


def main(pid: int, link: int, work: str) -> None:
    """Hand over sockets in the network of a process whose user namespace, and its parent's, are this user's. Raises OSError."""
    text = Path(f"/proc/{pid}/stat").read_text()
    parent = int(text[text.rindex(")") + 2 :].split()[_PARENT])
    owner = os.open(f"/proc/{parent}/ns/user", os.O_RDONLY)
    linux.setns(owner, linux.CLONE_NEWUSER)
    linux.setns(os.open(f"/proc/{pid}/ns/net", os.O_RDONLY), linux.CLONE_NEWNET)
    here, there, ports = json.loads(work)
    with socket.socket(fileno=link) as out:
        made = _make(here, there, ports)
        socket.send_fds(out, [b"."], [one.fileno() for one in made])
        for one in made:
            one.close()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
