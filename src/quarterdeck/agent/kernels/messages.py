"""What a kernel may say to its agent, as types: the channel is in the hands of the user's code. Used by `process`, never by the kernel."""

from typing import Any, Literal

import msgspec

from quarterdeck.agent.kernels.channel import ChannelBroken
from quarterdeck.wire import decode
from quarterdeck.wire.errors import Invalid
from quarterdeck.wire.executions import ExecutionError

_WORDS_MAX = 200
"""Characters of what is told of a message that does not fit: they may be its own."""


class _Said(msgspec.Struct, frozen=True, tag_field="said", forbid_unknown_fields=True):
    """A message with its kind in the field `said`."""


class Start(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The first message: the kernel's pid and that of the first process of its pid namespace, or the code of the reason why it cannot be."""

    started: int | None = None
    first: int = 0
    refused: str | None = None
    detail: str = ""


class Done(_Said, frozen=True, kw_only=True, tag="done"):
    """The end of a run, by its number and its id; `forgotten`: it was over before this was asked, and nothing was run again."""

    number: int
    run: str
    status: Literal["ok", "error", "forgotten"]
    result: str | None = None
    error: ExecutionError | None = None
    truncated: bool = False
    exit_code: int | None = None


class Ask(_Said, frozen=True, kw_only=True, tag="ask"):
    """The run reads a line of input, its `question`th; 0: it does so no more."""

    question: int


class Show(_Said, frozen=True, kw_only=True, tag="show"):
    """Representations of something shown, by MIME type; `result`: of the value of the last expression."""

    data: dict[str, str]
    result: bool = False


class Completed(_Said, frozen=True, kw_only=True, tag="completed"):
    """How code could go on, the answer to the question with a number."""

    number: int
    matches: tuple[str, ...]
    start: int
    end: int


class Resumed(_Said, frozen=True, kw_only=True, tag="resumed"):
    """It has nothing more to say of what an earlier agent asked for."""

    number: int


Said = Done | Ask | Show | Completed | Resumed
"""All that a kernel says after its start."""


def interrupted(run: str) -> Done:
    """Return the end of a run that never had its turn."""
    error = ExecutionError("KeyboardInterrupt", "", "KeyboardInterrupt\n")
    return Done(number=0, run=run, status="error", error=error)


def read(type_: Any, data: bytes) -> Any:
    """Read a message of a type. Raises `ChannelBroken`."""
    try:
        return decode.decode(type_, data)
    except Invalid as error:
        words = str(error)[:_WORDS_MAX]
        raise ChannelBroken(f"a message that does not fit: {words!r}") from error
