"""What a kernel may say to its agent, as types: the channel is in the hands of the user's code. Used by `process`, never by the kernel."""

from typing import TypeVar

import msgspec

from quarterdeck.agent.kernels.channel import ChannelBroken
from quarterdeck.wire import decode
from quarterdeck.wire.errors import Invalid
from quarterdeck.wire.sessions import ExecutionError, ExecutionStatus

_T = TypeVar("_T")


class Start(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The first message: the kernel's pid, or the code of the reason why it cannot be."""

    started: int | None = None
    refused: str | None = None
    detail: str = ""


class Done(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The answer to the piece of code with the number `done`."""

    done: int
    status: ExecutionStatus
    result: str | None
    error: ExecutionError | None
    truncated: bool


def read(type_: type[_T], data: bytes) -> _T:
    """Read a message of a type. Raises `ChannelBroken`."""
    try:
        return decode.decode(type_, data)
    except Invalid as error:
        raise ChannelBroken(f"a message that does not fit: {error}") from error
