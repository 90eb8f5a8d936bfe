"""Runs of code and commands on the wire: requests, what came of them so far, input, completion.

What a run writes is counted in characters, of both streams together and in the order in which it came: that is an `offset`. Reading
from the same offset again gives the same again, for as long as it is kept. Something displayed counts as one character.
"""

import enum
from typing import Annotated

import msgspec
from msgspec import Meta

from quarterdeck.wire import limits
from quarterdeck.wire.errors import Invalid

WAIT_SECONDS_MAX = 600.0
POLL_SECONDS_MAX = 30.0
STREAM_BYTES_MAX = 2**24
"""Of one message of a stream."""
ENDED, REFUSED, NOT_WANTED, LATER = 4000, 4400, 4409, 1013
"""Close codes of a stream's socket: all of the run has been told, a message makes no sense, its input is not asked for, too many watch it."""
ARGUMENTS_MAX = 1024

Argument = Annotated[
    str, Meta(pattern=limits.WITHOUT_NUL, max_length=limits.CODE_CHARACTERS_MAX // 2)
]


class Execute(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Code or a command to run in a session, under an id (`run`): the same id again runs nothing again.

    With `wait` the answer comes after so many seconds at the latest, with what there is by then; without it when the run ends.
    `stdin`: somebody will answer when the code asks for input; else it finds its input empty.
    """

    code: Annotated[str, Meta(max_length=limits.CODE_CHARACTERS_MAX)] | None = None
    command: Annotated[tuple[Argument, ...], Meta(max_length=ARGUMENTS_MAX)] = ()
    run: limits.Id | None = None
    wait: Annotated[float, Meta(ge=0, le=WAIT_SECONDS_MAX)] | None = None
    stdin: bool = False

    def __post_init__(self) -> None:
        """Raise `Invalid` unless there is either code or a command."""
        if self.code is None and not self.command:
            raise Invalid("code", "There is neither code nor a command", code="missing-field")
        if self.code is not None and self.command:
            raise Invalid("command", "There is code and a command: one of them is needed")
        if sum(map(len, self.command)) > limits.CODE_CHARACTERS_MAX:
            raise Invalid("command", f"Expected at most {limits.CODE_CHARACTERS_MAX} characters")


class ExecutionStatus(enum.StrEnum):
    """Where a run is: ended well, ended with an exception or an exit code, not ended, not ended because it wants input."""

    OK = "ok"
    ERROR = "error"
    CONTINUED = "continued"
    WAITING_INPUT = "waiting-input"


class ExecutionError(msgspec.Struct, frozen=True):
    """An exception that the code raised, or why it could not run to its end."""

    type: str
    message: str
    traceback: str


class Question(msgspec.Struct, frozen=True):
    """The code reads a line of input, the `number`th of its run; what it asks for stands at the end of its output."""

    number: int


class Display(msgspec.Struct, frozen=True):
    """Something that the code showed: representations by their MIME type, pictures in base64."""

    data: dict[str, str]


class Execution(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a run until now, or until its end: its output from an offset on, and when it has ended its outcome.

    `result` is the repr of the last expression of the code and `data` its other representations, `exit_code` is the command's (128 and
    the number of the signal that ended it). `truncated` says that something was cut or is not in this answer: reading goes on at
    `offset`, there are `written` characters in all, `skipped` of them before those in this answer are lost. `order` tells how
    stdout, stderr and displays follow each other, by their lengths, when there is more than one of them.
    """

    status: ExecutionStatus
    stdout: str
    stderr: str
    result: str | None = None
    error: ExecutionError | None = None
    truncated: bool = False
    run: str = ""
    offset: int = 0
    written: int = 0
    skipped: int = 0
    question: Question | None = None
    exit_code: int | None = None
    data: dict[str, str] = {}
    displays: tuple[Display, ...] = ()
    order: tuple[tuple[str, int], ...] = ()

    @property
    def finished(self) -> bool:
        """Whether it has ended, well or not."""
        return self.status in {ExecutionStatus.OK, ExecutionStatus.ERROR}


class RunQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where to read on, and how many seconds the answer may wait for something new there."""

    offset: Annotated[int, Meta(ge=0, le=2**53)] = 0
    wait: Annotated[float, Meta(ge=0, le=POLL_SECONDS_MAX)] = 0


class SessionRunQuery(RunQuery, frozen=True, forbid_unknown_fields=True):
    """The same, and in which kernel of a session, by its hostname."""

    kernel: Annotated[str, Meta(pattern=limits.HOSTNAME)] = "main1"


class Input(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The reply to the question with a number: lines without the last line's end; None: there is no more input. Once is enough."""

    number: Annotated[int, Meta(ge=1, le=2**53)]
    text: Annotated[str, Meta(max_length=limits.CODE_CHARACTERS_MAX)] | None


class StreamQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """From where on a stream tells of a run: text messages, each an `Execution` that goes on where the one before has ended.

    All but the last have the status of a run that goes on, whatever it is by then.
    """

    offset: Annotated[int, Meta(ge=0, le=2**53)] = 0


class SessionStreamQuery(StreamQuery, frozen=True, forbid_unknown_fields=True):
    """The same, and in which kernel of a session, by its hostname."""

    kernel: Annotated[str, Meta(pattern=limits.HOSTNAME)] = "main1"


class Said(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a client says in a stream: the reply to a question, or to interrupt the run."""

    reply: Input | None = None
    interrupt: bool = False


class Interrupt(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Interrupt a run, or whatever runs. One that waits for its turn ends without having run."""

    run: limits.Id | None = None


class Complete(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How could the code go on before this character (None: at its end)?"""

    code: Annotated[str, Meta(max_length=limits.CODE_CHARACTERS_MAX)]
    cursor: Annotated[int, Meta(ge=0, le=limits.CODE_CHARACTERS_MAX)] | None = None


class Completion(msgspec.Struct, frozen=True):
    """What can stand from the character `start` to the one before `end`, sorted, at most so many as are useful to a person."""

    matches: tuple[str, ...]
    start: int
    end: int
    reason: str | None = None
    """Why nothing was found, if that was not for want of names."""
