"""A coroutine that nobody awaited fails its test, also where warnings are no errors: what it was to do or to check did not happen.

Hooks of pytest. Python tells by a RuntimeWarning, as soon as the coroutine is thrown away.
"""

import contextlib
import re
import warnings
from collections.abc import Generator, Iterator, Sequence
from typing import TextIO

import pytest

NEVER_AWAITED = re.compile(r"coroutine '(.+)' was never awaited")
FORGOTTEN = pytest.StashKey[list[str]]()
"""Names of coroutines, of this test, that no phase has failed with yet."""


class NeverAwaited(Exception):
    """Coroutines were made and thrown away."""

    def __init__(self, names: Sequence[str]) -> None:
        """`names` as Python knows them: `test_it.<locals>.work`."""
        told = ", ".join(map(repr, names))
        several = len(names) > 1
        super().__init__(
            f"coroutine{'s' * several} {told} {'were' if several else 'was'} never awaited, and did nothing: "
            "is there an `await` missing? Where that is meant: coroutine.close(), or "
            "@pytest.mark.filterwarnings('ignore:coroutine .* was never awaited')"
        )
        self.names = tuple(names)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Hear of all warnings that nobody ignores; they go on to whoever shows them."""
    forgotten = item.stash[FORGOTTEN] = []
    with warnings.catch_warnings():
        before = warnings.showwarning

        def show(  # noqa: PLR0917 - as `warnings` calls it
            message: Warning | str,
            category: type[Warning],
            filename: str,
            lineno: int,
            file: TextIO | None = None,
            line: str | None = None,
        ) -> None:
            if found := NEVER_AWAITED.match(str(message)):
                forgotten.append(found[1])
            before(message, category, filename, lineno, file, line)

        warnings.showwarning = show
        return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, object, object]:
    __tracebackhide__ = True
    with _nothing_forgotten(item):
        return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    __tracebackhide__ = True
    with _nothing_forgotten(item):
        return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, object, object]:
    __tracebackhide__ = True
    with _nothing_forgotten(item):
        return (yield)


@contextlib.contextmanager
def _nothing_forgotten(item: pytest.Item) -> Iterator[None]:
    """Raises NeverAwaited, unless the phase has failed by itself."""
    __tracebackhide__ = True
    forgotten = item.stash.setdefault(FORGOTTEN, [])
    forgotten.clear()
    yield
    if forgotten:
        raise NeverAwaited(list(dict.fromkeys(forgotten)))
