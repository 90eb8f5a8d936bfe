"""Why a test failed, from the exception that failed it: one sentence, and the few lines that prove it. Pure."""

import errno
import re
from collections.abc import Callable, Collection

from shakeout.checks import errors as checks
from shakeout.process import errors as processes
from shakeout.report.errors import BadLogLines
from shakeout.report.model import Cause, Kind
from shakeout.services import errors as embedded
from shakeout.waiting import errors as waiting

DETAIL_LINES_MAX = 14
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


def signature(text: str) -> str:
    """A text without what differs from run to run: numbers, addresses, identifiers."""
    return _VARIABLE.sub("#", text)


def _innermost(error: BaseException) -> BaseException:
    """Of a group with one error, that error: the group is only how it travelled."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


def _died(error: BaseException, services: Collection[str]) -> Cause:
    assert isinstance(error, processes.ComponentDied)
    is_service = error.name in services
    words = [str(line) for line in error.lines]
    last = next((line for line in reversed(words) if line.strip()), "")
    sentence = f"{error.name} {error.exit}"
    sentence += f"; its last words: {_short(last)}" if last else " without a word in its log"
    return Cause(
        Kind.SERVICE_DIED if is_service else Kind.COMPONENT_DIED,
        _end(sentence),
        "\n".join(words[-DETAIL_LINES_MAX:]),
        error.name,
        signature(f"{error.name} {error.exit}"),
    )


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
    sentence = f"{first.component} logged {first.level}: {_short(first.event)}"
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
    sentence = (
        f"Assertion failed: {head.removeprefix('assert ')}" if text else "An assertion failed."
    )
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
    text = str(error)
    head, _, rest = text.partition("\n")
    if _TIMEOUT.match(text):
        return Cause(
            Kind.TEST_TIMED_OUT, f"The test did not end in time: {_end(head)}", _tail(rest)
        )
    return Cause(Kind.ASSERTION, _end(head), _tail(rest), "", signature(head))


def _tail(text: str) -> str:
    return "\n".join(text.splitlines()[:DETAIL_LINES_MAX])


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
    ((processes.NoFreePort, processes.DirectoryRefused), _plain(Kind.MACHINE)),
    (embedded.ServiceFault, _plain(Kind.SERVICE_NOT_STARTED)),
    (waiting.WaitingError, _wait),
    (BadLogLines, _bad_log),
    (checks.CouldNotLook, _plain(Kind.COULD_NOT_LOOK)),
    ((checks.Leaked, checks.SharedClusterChanged), _plain(Kind.LEFTOVERS)),
    (checks.DiedBetweenTests, _plain(Kind.COMPONENT_DIED)),
    (AssertionError, _assertion),
)
