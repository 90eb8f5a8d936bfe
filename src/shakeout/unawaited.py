"""A coroutine that nobody awaited fails its test, also where warnings are no errors: what it was to do or to check did not happen.

Hooks of pytest. Python tells by a RuntimeWarning, as soon as the coroutine is thrown away.
"""

import gc
import re
import sys
import warnings
from collections.abc import Generator, Sequence

import pytest

NEVER_AWAITED = re.compile(r"coroutine '(.+)' was never awaited")
HEARD = pytest.StashKey[list[warnings.WarningMessage]]()
"""What a test was warned of, by what nobody ignores."""
BROKEN = pytest.StashKey[bool]()
"""Of the session: whether the test before failed. What it made is still there, held by its traceback."""


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
    if item.config.stash.get(BROKEN, False):
        _bury()
        item.config.stash[BROKEN] = False
    try:
        with warnings.catch_warnings(record=True) as heard:
            item.stash[HEARD] = heard
            return (yield)
    finally:
        _show(item, item.stash[HEARD])


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, object, object]:
    __tracebackhide__ = True
    return (yield from _judged(item))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    __tracebackhide__ = True
    return (yield from _judged(item))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, object, object]:
    __tracebackhide__ = True
    return (yield from _judged(item))


def _judged(item: pytest.Item) -> Generator[None, object, object]:
    """Raises NeverAwaited, unless the phase has failed by itself."""
    __tracebackhide__ = True
    heard = item.stash.setdefault(HEARD, [])
    before = len(heard)
    try:
        result = yield
    except (Exception, pytest.fail.Exception):
        item.config.stash[BROKEN] = True
        raise
    found = [NEVER_AWAITED.match(str(each.message)) for each in heard[before:]]
    if forgotten := [match[1] for match in found if match]:
        raise NeverAwaited(list(dict.fromkeys(forgotten)))
    return result


def _bury() -> None:
    """Free what a failed test has left, before the next one: it would answer for what is thrown away meanwhile."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", NEVER_AWAITED.pattern, RuntimeWarning)
        for name in ("last_type", "last_value", "last_traceback"):  # pytest would do it later
            vars(sys).pop(name, None)
        gc.collect()


def _show(item: pytest.Item, heard: list[warnings.WarningMessage]) -> None:
    """As pytest does with what it has recorded; as Python does where pytest shall not."""
    for one in heard:
        if item.config.pluginmanager.has_plugin("warnings"):
            told = {"warning_message": one, "when": "runtest", "nodeid": item.nodeid}
            item.ihook.pytest_warning_recorded.call_historic(kwargs={**told, "location": None})
        else:
            warnings.showwarning(one.message, one.category, one.filename, one.lineno)
