"""A command that runs in a kernel beside its interpreter: a process group of its own on the kernel's streams. Used by `responder`."""

import contextlib
import os
import signal
from collections.abc import Iterator

NO_PROGRAM = 127
"""The exit code of a command that cannot be started, as of shells."""
INTERRUPTED = 128 + signal.SIGINT
"""The exit code of a command that was interrupted; 128 stands for any signal."""

_HELD = {signal.SIGINT, signal.SIGCHLD}


@contextlib.contextmanager
def signals_held() -> Iterator[None]:
    """Have interrupts and the ends of children wait for `run` to take them: none can come a moment too early."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _HELD)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _HELD)


def run(command: list[str]) -> int:
    """Run a command with the kernel's present environment and directory; its input is empty. Return its exit code. Raises OSError.

    An interrupt is passed on to it and to what it has started. Signals must be held.
    """
    pid = _start(command)
    while True:
        if signal.sigwait(_HELD) == signal.SIGINT:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGINT)
            continue
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code


def _start(command: list[str]) -> int:
    null = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.posix_spawnp(
            command[0],
            command,
            os.environ,  # noqa: TID251 - the kernel's environment, which the user's code may have changed
            file_actions=[(os.POSIX_SPAWN_DUP2, null, 0)],
            setsid=True,
            setsigmask=(),
            setsigdef=(signal.SIGINT, signal.SIGPIPE, signal.SIGXFSZ),
        )
    except ValueError as error:  # a name that no environment or command can have
        raise OSError(0, str(error)) from error
    finally:
        os.close(null)
