"""Sockets inside of a kernel: made in its network, used by the agent. This is the way to and from a kernel that has nothing but `lo`.

As root a thread enters the kernel's network for the moment. An ordinary user's agent has no rights over it, but may enter the user
namespace that has them, which only a process with one thread can: `python -m quarterdeck.agent.kernels.inside PID FD` is that process.
"""

import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

from quarterdeck.agent.kernels import linux
from quarterdeck.agent.kernels.errors import KernelDied

_PARENT = 1
_CLOEXEC = socket.MSG_CMSG_CLOEXEC


def socket_in(pid: int) -> socket.socket:
    """Return a TCP socket in the network of the kernel with this process, not connected nor bound. Blocks. Raises `KernelDied`, OSError."""
    try:
        namespace = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    except PermissionError:
        return _by_a_process(pid)
    except (FileNotFoundError, ProcessLookupError) as error:
        raise KernelDied from error
    try:
        return _by_a_thread(namespace)
    except PermissionError:
        return _by_a_process(pid)
    finally:
        os.close(namespace)


def _by_a_thread(namespace: int) -> socket.socket:
    """Make the socket in a thread that is used for nothing else, as it never comes back to its own network."""
    made: list[socket.socket | OSError] = []

    def make() -> None:
        try:
            linux.setns(namespace, linux.CLONE_NEWNET)
            made.append(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
        except OSError as error:
            made.append(error)

    thread = threading.Thread(target=make)
    thread.start()
    thread.join()
    (result,) = made
    if isinstance(result, OSError):
        raise result
    return result


def _by_a_process(pid: int) -> socket.socket:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        command = (sys.executable, "-s", "-P", "-m", __name__, str(pid), str(theirs.fileno()))
        path = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        done = subprocess.run(
            command, pass_fds=[theirs.fileno()], env=path, check=False, capture_output=True
        )
        if done.returncode != 0:
            raise KernelDied(done.stderr.decode(errors="replace").strip().rpartition("\n")[2])
        _, given, _, _ = socket.recv_fds(ours, 1, 1, _CLOEXEC)
    return socket.socket(fileno=given[0])


def main(pid: int, link: int) -> None:
    """Hand over a socket in the network of a process whose user namespace, and its parent's, are this user's. Raises OSError."""
    text = Path(f"/proc/{pid}/stat").read_text()
    parent = int(text[text.rindex(")") + 2 :].split()[_PARENT])
    owner = os.open(f"/proc/{parent}/ns/user", os.O_RDONLY)
    linux.setns(owner, linux.CLONE_NEWUSER)
    linux.setns(os.open(f"/proc/{pid}/ns/net", os.O_RDONLY), linux.CLONE_NEWNET)
    with socket.socket(fileno=link) as out, socket.socket() as made:
        socket.send_fds(out, [b"."], [made.fileno()])


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
