"""The process that has one container made, and ends as that ends. A child of `server`.

It is in a mount and a pid namespace of its own: what is mounted here is gone with it. With the first process of that all of it ends; what is left
then are runc's notes in the kernel's directory and empty control groups.
"""

import os
import signal
import socket
from fcntl import F_DUPFD_CLOEXEC, fcntl
from pathlib import Path
from typing import NoReturn

from quarterdeck.agent.kernels import channel, linux, serving
from quarterdeck.agent.kernels.oci import claim
from quarterdeck.agent.kernels.oci.container import Container
from quarterdeck.agent.kernels.oci.runc import Runc
from quarterdeck.agent.kernels.oci.specs import Specs
from quarterdeck.agent.kernels.owners import Owner
from quarterdeck.agent.kernels.runner import Gift
from quarterdeck.agent.kernels.spec import SetUpFailed


def main(link: int, owner: Owner, runc: str) -> NoReturn:
    """Wait for a gift on `link`, then be that kernel until it ends."""
    host = os.open("/proc", os.O_PATH | os.O_CLOEXEC)
    _prepare()
    gift = _wait(link)
    control = socket.socket(fileno=gift.control)
    try:
        specs = Specs(gift.spec)
        kernel = specs.next()
        if kernel is None:
            os._exit(0)
        container = Container(
            kernel, owner, Runc(runc, Path(kernel.directory)), host, waits=specs.more
        )
        container.make(gift, control)
        if specs.more:
            claim.wait(container, specs)
        container.serve(control)
    except SetUpFailed as error:
        channel.send(control, {"refused": error.code, "detail": error.detail})
    except OSError as error:
        channel.send(control, {"refused": "kernel-failed", "detail": str(error)})
    os._exit(1)


def _prepare() -> None:
    """Do all that needs no spec."""
    os.setsid()
    os.umask(0o022)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    linux.set_name("qd-container")
    linux.prctl(linux.PR_SET_CHILD_SUBREAPER, 1)
    linux.unshare(linux.CLONE_NEWNS)
    linux.mount("none", "/", None, linux.MS_REC | linux.MS_PRIVATE)
    linux.mount("proc", "/proc", "proc", linux.MS_NOSUID | linux.MS_NODEV | linux.MS_NOEXEC)


def _wait(link: int) -> Gift:
    with socket.socket(fileno=link) as inbox:
        _, given, _, _ = socket.recv_fds(inbox, 1, len(Gift._fields))
    if not given:
        os._exit(0)
    return Gift(*(fcntl(one, F_DUPFD_CLOEXEC, serving.DESCRIPTOR_FIRST) for one in given))
