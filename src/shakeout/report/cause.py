"""Why a test failed, from the exception that failed it: one sentence, and the few lines that prove it. Pure."""

import dataclasses
import errno
import re
from collections.abc import Callable, Collection, Iterable, Sequence

from shakeout.checks import errors as checks
from shakeout.process import errors as processes
from shakeout.report import log_lines
from shakeout.report.errors import BadLogLines
from shakeout.report.model import Cause, Kind, Level, Line
from shakeout.services import errors as embedded
from shakeout.system import errors as systems
from shakeout.waiting import errors as waiting

FAILED = "Assertion failed: "
DETAIL_LINES_MAX = 14
LAST_WORDS_MAX = 40
"""Lines among which the last words are looked for."""
SENTENCE_LENGTH_MAX = 300
_MACHINE = (errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EROFS)
_VARIABLE = re.compile(r"0x[0-9a-f]+|[0-9a-f]{8,}|\d+(\.\d+)?")
_TIMEOUT = re.compile(r"Timeout \(?>")


def of(error: BaseException, services: Collection[str] = ()) -> Cause:
    """The cause behind an exception; `services` are members that are no part of the product."""
    found = _innermost(error)
    for kinds, describe in _TABLE:
        if isinstance(found, kinds):
            return describe(found, services)
    return _other(found)


def interrupted(by: BaseException) -> Cause:
    """The run was ended before the test was."""
    return Cause(
        Kind.INTERRUPTED, f"The run was ended by {_one_line(by) or 'a signal'} while the test ran."
    )


def refused(text: str) -> Cause:
    """Nothing was raised, and the test was failed all the same: it passed where that is not accepted."""
    head, _, rest = text.partition("\n")
    return Cause(Kind.ASSERTION, _end(head), _tail(rest), "", signature(head))


def signature(text: str) -> str:
    """A text without what differs from run to run: numbers, addresses, identifiers."""
    return _VARIABLE.sub("#", text)


def _innermost(error: BaseException) -> BaseException:
    """Of a group with one error, that error: the group is only how it travelled."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


def with_last_words(cause: Cause, lines: Iterable[Line]) -> Cause:
    """The cause of a death, told with all lines that its log holds and not only with the last few."""
    mine = [line for line in lines if line.component.rpartition(".")[2] == cause.culprit]
    dead = cause.kind in (Kind.COMPONENT_DIED, Kind.SERVICE_DIED) and cause.head
    if not (dead and mine):
        return cause
    severe = [number for number, line in enumerate(mine) if line.level.rank >= Level.ERROR.rank]
    shown = mine[severe[-1] :] if severe else mine[-DETAIL_LINES_MAX:]
    detail = "\n".join(_in_words(line) for line in shown)
    sentence = _obituary(cause.head, mine)
    return dataclasses.replace(cause, sentence=sentence, detail=_tail(detail))


def with_statement(cause: Cause, traceback: str) -> Cause:
    """The cause of a failed assertion, told with the statement that failed, as the test has it."""
    marked = [line[1:].strip() for line in traceback.splitlines() if line.startswith(">")]
    if cause.kind is not Kind.ASSERTION or not marked or not marked[-1].startswith("assert "):
        return cause
    statement = marked[-1].removeprefix("assert ")
    seen = cause.sentence.removeprefix(FAILED)
    if seen.rstrip(".") == statement or not cause.sentence.startswith(FAILED):
        return cause
    return dataclasses.replace(cause, sentence=_end(f"{FAILED}{statement}; seen: {seen}"))


def with_place(cause: Cause, tasks: str, path: str) -> Cause:
    """The cause of a test that ran out of time, with the line of its file `path` at which it waited."""
    if cause.kind is not Kind.TEST_TIMED_OUT:
        return cause
    places = [line.strip() for line in tasks.splitlines() if line.strip().startswith(f"{path}:")]
    if not places:
        return cause
    number, _, rest = places[-1].removeprefix(f"{path}:").partition(" in ")
    sentence = f"{cause.sentence.rstrip('.')}; it waited in line {number}, {rest}"
    return dataclasses.replace(cause, sentence=_end(sentence))


def _died(error: BaseException, services: Collection[str]) -> Cause:
    assert isinstance(error, processes.ComponentDied)
    head = f"{error.name} {error.exit}"
    words = log_lines.on_the_clock(error.name, error.lines, 0.0)
    return Cause(
        Kind.SERVICE_DIED if error.name in services else Kind.COMPONENT_DIED,
        _obituary(head, words),
        "\n".join([str(line) for line in error.lines][-DETAIL_LINES_MAX:]),
        error.name,
        signature(head),
        head,
    )


def _obituary(head: str, lines: Sequence[Line]) -> str:
    """How it ended, and its last words: the last error among the last lines, else the last line."""
    told = [line for line in lines if not line.event.startswith(log_lines.NOISE)][-LAST_WORDS_MAX:]
    severe = [line for line in told if line.level.rank >= Level.ERROR.rank]
    last = next(iter([*severe[-1:], *told[-1:]]), None)
    if last is None:
        return _end(f"{head} without a word in its log")
    words = _in_words(last).partition("\n")[0]
    return _end(f"{head}; its last words: {words}")


def _in_words(line: Line) -> str:
    """A line without time, level and component, its traceback below it."""
    fields = dict(line.fields)
    traceback = str(fields.pop("traceback", ""))
    told = " ".join([line.event, *(f"{key}={value}" for key, value in fields.items())])
    return f"{told}\n{traceback}".strip()


def _wait(error: BaseException, _services: Collection[str]) -> Cause:
    assert isinstance(error, waiting.WaitingError)
    sentence = f"Waited {error.seconds:.1f} s in vain until {error.what}"
    if isinstance(error, waiting.WaitHopeless):
        sentence = f"Gave up waiting until {error.what}: {error.cause}"
    elif isinstance(error, waiting.WaitTimedOut) and error.nearest:
        sentence += f"; {error.nearest}"
    samples = error.evidence.partition("\n  log of ")[0].splitlines()
    detail = "\n".join(line[2:] for line in samples[:1] + samples[1:][-DETAIL_LINES_MAX:])
    return Cause(Kind.WAIT_TIMED_OUT, _end(sentence), detail, "", signature(error.what))


def _not_started(error: BaseException, services: Collection[str]) -> Cause:
    assert isinstance(error, processes.StartTimedOut | processes.StartFailed)
    ours = error.name not in services and not isinstance(error, processes.ExecutableMissing)
    kind = Kind.COMPONENT_DIED if ours else Kind.SERVICE_NOT_STARTED
    head, _, rest = str(error).partition("\n")
    return Cause(kind, _end(head), _tail(rest), error.name, signature(head))


def _bad_log(error: BaseException, _services: Collection[str]) -> Cause:
    assert isinstance(error, BadLogLines)
    first = error.lines[0]
    when = " while it was booted" if error.of_boot else ""
    sentence = f"{first.component} logged {first.level}{when}: {_short(first.event)}"
    if len(error.lines) > 1:
        sentence += f" (and {len(error.lines) - 1} more)"
    told = "\n".join(str(line) for line in error.texts[:DETAIL_LINES_MAX])
    return Cause(Kind.BAD_LOG, _end(sentence), told, first.component, signature(first.event))


def _plain(kind: Kind) -> Callable[[BaseException, Collection[str]], Cause]:
    def describe(error: BaseException, _services: Collection[str]) -> Cause:
        head, _, rest = str(error).partition("\n")
        return Cause(kind, _end(head), _tail(rest), "", signature(head))

    return describe


def _assertion(error: BaseException, _services: Collection[str]) -> Cause:
    text = str(error).strip()
    head, _, rest = text.partition("\n")
    sentence = f"{FAILED}{head.removeprefix('assert ')}" if text else "An assertion failed."
    return Cause(Kind.ASSERTION, _end(sentence), _tail(rest), "", signature(head))


def _other(error: BaseException) -> Cause:
    if isinstance(error, OSError) and error.errno in _MACHINE:
        return Cause(Kind.MACHINE, _end(str(error)), signature=signature(str(error)))
    if type(error).__module__.startswith("_pytest.") or type(error).__name__ == "Failed":
        return _failed(error)
    head = f"{type(error).__name__}: {_one_line(error)}" if str(error) else type(error).__name__
    rest = str(error).partition("\n")[2]
    return Cause(Kind.RAISED, _end(head), _tail(rest), "", signature(head))


def _failed(error: BaseException) -> Cause:
    """Of `pytest.fail`, which pytest-timeout ends a test with, too."""
    if missing := getattr(error, "argname", ""):
        return Cause(Kind.RAISED, f"There is no fixture {missing}.", signature=missing)
    text = str(error)
    head, _, rest = text.partition("\n")
    if _TIMEOUT.match(text):
        return Cause(
            Kind.TEST_TIMED_OUT, f"The test did not end in time: {_end(head)}", _tail(rest)
        )
    return Cause(Kind.ASSERTION, _end(head), _tail(rest), "", signature(head))


def _tail(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return "\n".join(lines[:DETAIL_LINES_MAX])


def _one_line(error: BaseException) -> str:
    return _short(str(error).partition("\n")[0])


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= SENTENCE_LENGTH_MAX else text[: SENTENCE_LENGTH_MAX - 1] + "…"


def _end(sentence: str) -> str:
    sentence = _short(sentence)
    return sentence if sentence.endswith((".", "!", "?", "…")) else sentence + "."


_TABLE: tuple[
    tuple[
        type[BaseException] | tuple[type[BaseException], ...],
        Callable[[BaseException, Collection[str]], Cause],
    ],
    ...,
] = (
    (processes.ComponentDied, _died),
    (processes.HarnessDied, _plain(Kind.HARNESS_DIED)),
    ((processes.StartTimedOut, processes.StartFailed), _not_started),
    (
        (processes.NoFreePort, processes.DirectoryRefused, systems.DisksRefused),
        _plain(Kind.MACHINE),
    ),
    (embedded.ServiceFault, _plain(Kind.SERVICE_NOT_STARTED)),
    (waiting.WaitingError, _wait),
    (BadLogLines, _bad_log),
    (checks.CouldNotLook, _plain(Kind.COULD_NOT_LOOK)),
    ((checks.Leaked, checks.SharedClusterChanged), _plain(Kind.LEFTOVERS)),
    (checks.DiedBetweenTests, _plain(Kind.COMPONENT_DIED)),
    (AssertionError, _assertion),
)
