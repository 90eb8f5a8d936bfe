"""Soft assertions: all of a block's checks run, and those that failed are told together at its end.

with soft() as check:
    check(answer.status == 200, "the request succeeds")
    check(len(rows) == 2, f"two rows, and not {rows}")
"""

import contextlib
from collections.abc import Callable, Iterator

from shakeout.timeline import record

Check = Callable[[object, str], bool]
"""Takes what should be true and what that means; tells whether it is."""

FAILURES_MAX = 100


class ChecksFailed(AssertionError):
    """Some of the checks of a block failed; all of them are listed."""

    def __init__(self, failed: list[str], count: int) -> None:
        told = "\n".join(f"  - {each}" for each in failed[:FAILURES_MAX])
        super().__init__(f"{len(failed)} of {count} checks failed: {failed[0]}\n{told}")
        self.failed = tuple(failed)


@contextlib.contextmanager
def soft() -> Iterator[Check]:
    """Give a function that checks without raising. Raises ChecksFailed at the end if any check failed.

    An error inside of the block is raised as it is, with a note on the checks that had failed before.
    """
    failed: list[str] = []
    count = 0

    def check(holds: object, meaning: str) -> bool:
        nonlocal count
        count += 1
        if not holds:
            failed.append(meaning)
            record.note("step", f"check failed: {meaning}", error=meaning)
        return bool(holds)

    try:
        yield check
    except Exception as error:
        for each in failed:
            error.add_note(f"before that a check failed: {each}")
        raise
    if failed:
        raise ChecksFailed(failed, count)
