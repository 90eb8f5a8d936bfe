"""What the address of a call about a session says: how to end it, which of its kernels is meant."""

from typing import Annotated

import msgspec
from msgspec import Meta

from quarterdeck.wire import limits


class EndQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How to end a session: by force, it has ended at once, and its agents are told afterwards."""

    force: bool = False


class KernelQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which kernel of a session a call is for, by its hostname."""

    kernel: Annotated[str, Meta(pattern=limits.HOSTNAME)] = "main1"
