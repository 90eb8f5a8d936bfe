"""The user's process: waits until it is needed, sets itself up by its spec, then runs the code that the agent sends and answers.

Messages on its control channel: `{"started": pid, "first": pid}` or `{"refused": code, "detail": …}`; then the conversation of `responder`. A child of
the zygote's, see `children`.
"""

import json
import os
import signal
import socket
import sys
from fcntl import F_DUPFD_CLOEXEC, fcntl
from functools import partial
from typing import NamedTuple, NoReturn

from quarterdeck.agent.kernels import channel, limits, linux, namespaces, program, spec
from quarterdeck.agent.kernels.interpreter import Interpreter
from quarterdeck.agent.kernels.namespaces import Frame
from quarterdeck.agent.kernels.owners import Owner
from quarterdeck.agent.kernels.serving import DESCRIPTOR_FIRST, serve
from quarterdeck.agent.kernels.spec import MARK, KernelSpec, SetUpFailed
from quarterdeck.agent.kernels.streams import Streams

NO_FAILURE = b"."
"""What comes with a gift; else it is why the kernel cannot be, as JSON: a code and words."""

_TREES_MAX = 64
_FAILURE_BYTES_MAX = 2**14


class Gift(NamedTuple):
    """The descriptors that make a waiting process a kernel: a file with the spec, the control channel, where the output goes."""

    spec: int
    control: int
    stdout: int
    stderr: int


class Marks(NamedTuple):
    """Where a process shows what it is: to `ps`, and in its environment."""

    title: linux.Mark
    kernel: linux.Mark


class Place(NamedTuple):
    """Where a kernel lives: as whom it runs, in which frame if it has namespaces, and who is the first in that of its pids, as the agent sees it."""

    owner: Owner
    frame: Frame | None
    first: int = 0


def main(link: int, place: Place, marks: Marks) -> NoReturn:
    """Wait for a gift on `link`, then be that kernel until it is killed or the agent is gone."""
    pid = int(os.readlink("/proc/self"))  # noqa: PTH115 - a number, not a path: the pid as the agent sees it
    started = {"started": pid, "first": place.first}
    _prepare(marks)
    if place.frame is not None:
        namespaces.settle(place.owner, place.frame)
        os.close(place.frame.pattern)
    gift, trees, failure = _wait(link)
    control = socket.socket(fileno=gift.control)
    try:
        _refuse_what_cannot_be(failure)
        streams = Streams(gift.stdout, gift.stderr)
        kernel = KernelSpec.read(gift.spec)
        os.close(gift.spec)
        _set_up(kernel, place, trees, marks)
    except SetUpFailed as error:
        channel.send(control, {"refused": error.code, "detail": error.detail})
        os._exit(1)
    except OSError as error:
        channel.send(control, {"refused": "kernel-failed", "detail": str(error)})
        os._exit(1)
    if kernel.command:
        program.become(kernel.command, control, started)
    serve(control, streams, started, partial(_show, marks.title, kernel.id))


def rehearse() -> None:
    """Do what a kernel does, so that the memory for it is there when it counts."""
    one = KernelSpec("", "", {}, (), (), 0)
    KernelSpec.decode(json.loads(one.encode()))
    channel.packets(Interpreter().run("1 + 1").message())


def _prepare(marks: Marks) -> None:
    """Do all that needs no spec."""
    os.setsid()
    os.umask(0o022)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    linux.set_name("qd-kernel")
    marks.title.write("idle")
    sys.argv[:] = [""]
    sys.path.insert(0, "")
    sys.dont_write_bytecode = True
    rehearse()


def _wait(link: int) -> tuple[Gift, list[int], bytes]:
    """Return the gift, the trees of mounts that came with it, and why the kernel cannot be or `NO_FAILURE`."""
    with socket.socket(fileno=link) as inbox:
        room = len(Gift._fields) + _TREES_MAX
        failure, given, _, _ = socket.recv_fds(inbox, _FAILURE_BYTES_MAX, room)
    if not given:
        os._exit(0)
    kept = [fcntl(one, F_DUPFD_CLOEXEC, DESCRIPTOR_FIRST) for one in given]
    os.closerange(0, DESCRIPTOR_FIRST)
    count = len(Gift._fields)
    return Gift(*kept[:count]), kept[count:], failure


def _show(title: linux.Mark, kernel: str, run: str) -> None:
    title.write(f"kernel {kernel} run {run}" if run else f"kernel {kernel}")


def _refuse_what_cannot_be(failure: bytes) -> None:
    if failure != NO_FAILURE:
        raise SetUpFailed(*json.loads(failure))


def _set_up(kernel: KernelSpec, place: Place, trees: list[int], marks: Marks) -> None:
    """Make this process the kernel."""
    marks.title.write(f"kernel {kernel.id}")
    marks.kernel.write(kernel.environment.get(MARK, kernel.id))
    if place.frame is not None:
        namespaces.furnish(kernel, trees)
        namespaces.become(place.owner)
        limits.apply(kernel, own_user=True)
        namespaces.confine(place.frame.program)
    elif kernel.binds:
        raise SetUpFailed(
            "mounts-unsupported", "This machine allows no mounts to the agent's user"
        )
    else:
        namespaces.make_directory(kernel)
        limits.apply(kernel, own_user=False)
        linux.drop_capabilities()
    os.chdir(f"{kernel.directory}/{spec.WORK}")
    os.environ.update(kernel.environment)
