"""What one test process holds between its tests: the runner, and what the fixtures started.

One per pytest session, in the stash of its config. Nothing is made before somebody asks for it.
"""

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from shakeout import options, settings

if TYPE_CHECKING:
    from shakeout.clusters import Clusters, Running
    from shakeout.logbook import Logbook
    from shakeout.runner import Runner


class Harness:
    """Lazily made parts of the harness in this process."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.runner_if_used: Runner | None = None
        self.in_test_code = False
        """Whether code of a test or a fixture runs, which may be interrupted, and not pytest's own."""
        self.looks: list[Callable[[], None]] = []
        """One for each cluster in use: waits until a death that has happened is known here."""
        self.ending = False
        """Whether a signal ends the run: nothing more is checked."""
        self.soon: frozenset[str] = frozenset()
        """Optional services that tests of this run need."""
        self.clusters: Clusters | None = None

    @property
    def runner(self) -> "Runner":
        """The event loop that all coroutines of tests and fixtures run on."""
        if self.runner_if_used is None:
            from shakeout import runner  # noqa: PLC0415 - imports asyncio, which unit tests need not pay

            self.runner_if_used = runner.Runner()
        return self.runner_if_used

    def interrupt(self, error: BaseException) -> None:
        """For signal handlers: stop what runs with `error`. Raises it here if that is the place."""
        __tracebackhide__ = True
        if self.runner_if_used is None:
            raise error
        self.runner_if_used.interrupt(error)

    @contextlib.contextmanager
    def test_code(self) -> Iterator[None]:
        """Inside runs synchronous code of a test; it fails with the death that happened meanwhile."""
        __tracebackhide__ = True
        runner = self.runner_if_used
        if runner is None or not runner.guards or self.in_test_code:
            yield
            return
        runner.raise_death()
        self.in_test_code = True
        try:
            yield
        except (Exception, pytest.fail.Exception) as error:
            self.in_test_code = False
            runner.raise_explanation(error)
            raise
        finally:
            self.in_test_code = False
        for look in self.looks:
            look()
        runner.raise_death()

    def close(self) -> None:
        runner, self.runner_if_used = self.runner_if_used, None
        if runner is not None:
            runner.close()


KEY = pytest.StashKey[Harness]()
LOGBOOK: "pytest.StashKey[Logbook]" = pytest.StashKey()
USED: "pytest.StashKey[list[Running]]" = pytest.StashKey()
FAILED = pytest.StashKey[bool]()


def install(config: pytest.Config) -> Harness:
    """Make the harness of this session."""
    config.stash[KEY] = Harness(options.seed(config))
    return config.stash[KEY]


def of(config: pytest.Config) -> Harness:
    """The harness of this session."""
    return config.stash[KEY]


def wants_broker(config: pytest.Config) -> bool:
    """Whether clusters are leased: neither the option nor the environment says no."""
    return settings.read().broker and not config.getoption("--no-broker")


def needs_of(item: pytest.Item) -> frozenset[str]:
    """Optional services that a test asks for by `needs(...)`."""
    return frozenset(name for marker in item.iter_markers("needs") for name in marker.args)
