"""Being an interpreter for the agent, whatever the process was before. Used by `runner` and, in containers, by `oci.entry`.

It imports little: the Python of an image loads it anew for each kernel, and its time is part of the kernel's start.
"""

import gc
import os
import socket
from collections.abc import Callable
from typing import NoReturn

from quarterdeck.agent.kernels import channel
from quarterdeck.agent.kernels.responder import Responder
from quarterdeck.agent.kernels.streams import Streams

DESCRIPTOR_FIRST = 1100
"""Where a runner's own descriptors begin: above those that code closes which closes "all"."""

EXIT_CHANNEL_LOST = 121
"""Exit code of a runner whose control channel was closed under it."""


def serve(
    control: socket.socket,
    streams: Streams,
    started: dict[str, int],
    show: Callable[[str], None] = lambda _: None,
) -> NoReturn:
    """Be an interpreter for the agent until it lets go. `started`: who this process is, see `messages.Start`; `show`: see `Responder`."""
    responder = Responder(control, streams, show)
    gc.enable()
    try:
        channel.send(control, started)
        responder.serve()
    except (channel.ChannelBroken, OSError):
        os._exit(EXIT_CHANNEL_LOST)
