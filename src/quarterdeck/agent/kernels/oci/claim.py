"""How a container that waits becomes a kernel: what was not known when it was made is applied from outside, while it is stopped.

What runs in it, one process of the image's, does nothing from the moment it is ready until it is the kernel's: it is stopped, and nothing else is
there that could run. Used by `process`.
"""

import json
import os
import resource
import select
import signal
import socket
from collections.abc import Sequence
from pathlib import Path

from quarterdeck.agent.kernels import linux, namespaces, spec
from quarterdeck.agent.kernels.oci import bundle, cgroups, shell, specs
from quarterdeck.agent.kernels.oci.bundle import WORK
from quarterdeck.agent.kernels.oci.container import Container
from quarterdeck.agent.kernels.oci.specs import Specs
from quarterdeck.agent.kernels.spec import KernelSpec, SetUpFailed

_STOPPED = os.WSTOPPED | os.WEXITED | os.WNOWAIT


def wait(container: Container, wanted: Specs) -> None:
    """Return when a container has become a kernel; where nobody wants it, or it is not as it should be, this process ends. Raises `SetUpFailed`, OSError."""
    if not os.read(container.orders, 1) or not _stop(container.pid):
        os._exit(1)
    wanted.say(specs.READY)
    _watch(container, wanted)
    kernel = wanted.next()
    if kernel is None:
        os._exit(0)
    _become(container, kernel)
    os.write(container.orders, b"\n")
    os.kill(container.pid, signal.SIGCONT)
    wanted.say(specs.READY)


def _stop(pid: int) -> bool:
    """Stop what waits; tell whether it is alone now."""
    os.kill(pid, signal.SIGSTOP)
    state = os.waitid(os.P_PID, pid, _STOPPED)
    return state is not None and state.si_code == os.CLD_STOPPED and not _children(pid)


def _children(pid: int) -> str:
    """Return the children of all threads of a process: every other process in its namespace is one of them, or below one."""
    threads = Path(f"/proc/{pid}/task").iterdir()
    return "".join((one / "children").read_text() for one in threads)


def _watch(container: Container, wanted: Specs) -> None:
    """Return when the agent says something. If what waits has ended, so does this process."""
    poll = select.poll()
    poll.register(container.orders, select.POLLIN)
    if wanted.link is not None:
        poll.register(wanted.link, select.POLLIN)
    if container.orders in {descriptor for descriptor, _ in poll.poll()}:
        os._exit(1)


def _become(container: Container, kernel: KernelSpec) -> None:
    """Apply what a kernel has of its own. Raises `SetUpFailed`, OSError."""
    before = container.kernel.environment
    container.kernel = kernel
    if container.group:
        cgroups.limit(container.group, bundle.group_limits(kernel))
    for thread in Path(f"/proc/{container.pid}/task").iterdir():
        os.sched_setaffinity(int(thread.name), kernel.cores)
    for name, value in bundle.process_limits(kernel).items():
        resource.prlimit(container.pid, getattr(resource, name), (value, value))
    container.write_names()
    _name_host(container.pid, kernel.hostname)
    _mount(container, kernel.binds)
    changed = {
        name: value for name, value in kernel.environment.items() if before.get(name) != value
    }
    text = shell.claim(changed) if container.runs_shell else json.dumps(changed)
    (container.directory / "given" / shell.CLAIM).write_text(text, "utf-8", "surrogateescape")


def _name_host(pid: int, name: str) -> None:
    own, theirs = (os.open(f"/proc/{one}/ns/uts", os.O_RDONLY) for one in ("self", pid))
    try:
        linux.setns(theirs, linux.CLONE_NEWUTS)
        linux.set_host_name(name)
        linux.setns(own, linux.CLONE_NEWUTS)
    finally:
        os.close(own)
        os.close(theirs)


def _mount(container: Container, binds: Sequence[spec.Bind]) -> None:
    """Mount folders in a container. Raises `SetUpFailed`, OSError."""
    if not binds:
        return
    for bind in binds:
        namespaces.make_below(container.directory / "work", bind.path)
    trees = [namespaces.open_bind(bind, container.owner) for bind in binds]
    ours, theirs = socket.socketpair()
    child = os.fork()
    if child == 0:
        _mount_inside(
            container.pid, dict(zip((one.path for one in binds), trees, strict=True)), theirs
        )
    theirs.close()
    for tree in trees:
        os.close(tree)
    with ours:
        words = ours.recv(1000).decode()
    os.waitpid(child, 0)
    if words != ".":
        raise SetUpFailed("mount-failed", words or "the mounting process has ended")


def _mount_inside(pid: int, trees: dict[str, int], told: socket.socket) -> None:
    """Place mounts in the mount namespace of a process, and end."""
    words = "."
    try:
        linux.setns(os.open(f"/proc/{pid}/ns/mnt", os.O_RDONLY), linux.CLONE_NEWNS)
        for words, tree in trees.items():
            linux.move_mount(tree, f"{WORK}/{words}")
        words = "."
    except OSError as error:
        words = f"{words}: {error.strerror}"
    finally:
        told.send(words.encode())
        os._exit(0)
