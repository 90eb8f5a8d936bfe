"""A kernel that is a program of its user: the runner, set up as any kernel, gives its place to it. Used by `runner`.

The program has the kernel's directory, limits, mounts, environment and output, no interpreter beside it and no control channel. Its
exit is the kernel's.
"""

import os
import signal
import socket
from typing import NoReturn

from quarterdeck.agent.kernels import channel, spec


def become(command: tuple[str, ...], control: socket.socket, started: dict[str, int]) -> NoReturn:
    """Tell that the kernel has `started`, and be the program; one that cannot be run ends as in a shell, with 126 or 127."""
    channel.send(control, started)
    for (
        number
    ) in signal.valid_signals():  # by Python, or by whoever has started the agent, as `nohup` does
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    try:
        os.execvp(command[0], command)
    except FileNotFoundError as error:
        _give_up(command[0], error, spec.EXIT_NOT_FOUND)
    except (OSError, ValueError) as error:
        _give_up(command[0], error, spec.EXIT_NOT_EXECUTABLE)


def _give_up(program: str, error: Exception, code: int) -> NoReturn:
    why = error.strerror if isinstance(error, OSError) else str(error)
    os.write(2, f"{program}: {why}\n".encode("utf-8", "replace"))
    os._exit(code)
