"""What the address of a call about a session says: how to end it, which of its kernels is meant."""

from typing import Annotated

import msgspec
from msgspec import Meta

from quarterdeck.wire import limits

WAIT_SECONDS_MAX = 30.0

Wait = Annotated[float, Meta(ge=0, le=WAIT_SECONDS_MAX)]


class CreateQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many seconds the answer may wait for the session to run, and for the code that it is to run first."""

    wait: Wait = 0


class EndQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How to end a session: by force, it has ended at once, and its agents are told afterwards. The answer may wait so many seconds for the end."""

    force: bool = False
    wait: Wait = 0


class KernelQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which kernel of a session a call is for, by its hostname."""

    kernel: Annotated[str, Meta(pattern=limits.HOSTNAME)] = "main1"
