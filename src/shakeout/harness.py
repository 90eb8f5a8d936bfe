"""What one test process holds between its tests: the runner, and what the fixtures started.

One per pytest session, in the stash of its config. Nothing is made before somebody asks for it.
"""

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from shakeout import options, settings
from shakeout.timeline import record

if TYPE_CHECKING:
    from shakeout.clusters import Clusters
    from shakeout.logbook import Logbook
    from shakeout.report.testimony import Testimony
    from shakeout.runner import Runner
    from shakeout.running import Running


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
        self.session_given = ""
        """Name of the session, where the controller of this worker chose it."""
        self.recording: record.Recording | None = None
        """Of the test that runs."""
        self.troubles: list[str] = []
        """Evidence that could not be written, and why."""
        self.interrupted: dict[str, dict[str, str]] = {}
        """What is known of tests that never ended, and so have no report, by nodeid."""
        self.tasks_at_alarm = ""
        """Where each task waited when the time of a test was up."""

    @property
    def runner(self) -> "Runner":
        """The event loop that all coroutines of tests and fixtures run on."""
        if self.runner_if_used is None:
            from shakeout import runner  # noqa: PLC0415 - imports asyncio, which unit tests need not pay

            self.runner_if_used = runner.Runner()
        return self.runner_if_used

    @property
    def session_name(self) -> str:
        """Name of this session, the same for all workers of pytest-xdist."""
        if not self.session_given:
            from shakeout.report import session  # noqa: PLC0415 - unit tests leave no evidence

            self.session_given = session.new_name()
        return self.session_given

    def interrupt(self, error: BaseException) -> None:
        """For signal handlers: stop what runs with `error`. Raises it here if that is the place."""
        __tracebackhide__ = True
        if self.runner_if_used is None:
            raise error
        self.runner_if_used.interrupt(error)

    @contextlib.contextmanager
    def records(self, recording: record.Recording | None) -> Iterator[None]:
        """Inside, what happens goes to that recording; or to the one that `record` is given meanwhile."""
        before, token = self.recording, record.current.set(recording)
        self.recording = recording
        try:
            yield
        finally:
            self.recording = before
            record.current.reset(token)

    def begin_recording(self, recording: record.Recording) -> None:
        """From now on, if nobody records yet."""
        if record.current.get() is None:
            record.current.set(recording)
            self.recording = recording

    def note_tasks(self) -> None:
        """For the alarm of a test that takes too long: keep where each task waits now, the first time."""
        if self.runner_if_used is not None and not self.tasks_at_alarm:
            self.tasks_at_alarm = self.runner_if_used.describe_tasks()

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
TESTIMONY: "pytest.StashKey[Testimony]" = pytest.StashKey()


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
