"""One test's use of one cluster: deaths stop the test, its log lines are kept, its leaks are found.

Entered by the cluster fixtures of `shakeout.fixtures`.
"""

import contextlib
import functools
from collections.abc import Iterator, Mapping, Sequence

import pytest

from shakeout import alarm, keeping
from shakeout.checks import check, errors
from shakeout.clusters import Clusters
from shakeout.harness import FAILED, LOGBOOK, TESTIMONY, USED, Harness
from shakeout.logbook import Logbook
from shakeout.report import bad_lines
from shakeout.report.errors import BadLogLines
from shakeout.report.model import Line
from shakeout.report.reader import Reader
from shakeout.report.testimony import Testimony
from shakeout.running import Running
from shakeout.system.allowed import AllowedLine
from shakeout.system.cluster import Cluster
from shakeout.system.progress import State
from shakeout.timeline.record import Recording
from shakeout.waiting import witness

BOOT_PROPERTY = "cluster_boot_seconds"
RUN_PROPERTY = "run"

States = Mapping[str, tuple[int, State]]


class Use:
    """Use of clusters by one test."""

    def __init__(self, harness: Harness, clusters: Clusters, item: pytest.Item) -> None:
        self._harness = harness
        self._runner = harness.runner
        self._clusters = clusters
        self._item = item

    @contextlib.contextmanager
    def shared(self, running: Running) -> Iterator[Cluster]:
        """Use a cluster that others use afterwards. Raises what `checks.errors` lists, ComponentDied."""
        with self._watched(running) as watch:
            before = states(running)
            leak_check = running.leak_check
            running.unchecked = True
            self._begin_leak_check(running, leak_check)
            yield running.cluster
            if self._harness.ending:
                return
            keeping.hold(self._item, self._harness, running)
            self._raise_death(running)
            if not running.guard.done():
                if found := changes(running, before):
                    running.dirty = True
                    raise errors.SharedClusterChanged(found)
                self._find_leaks(running, leak_check)
                watch.raise_bad_lines()
                running.unchecked = False
        raise_untold(self._clusters)

    @contextlib.contextmanager
    def private(self, running: Running) -> Iterator[Cluster]:
        """Use a cluster that nobody else uses; it is stopped afterwards. Raises ComponentDied."""
        running.unchecked = True
        with self._watched(running) as watch:
            try:
                yield running.cluster
                keeping.hold(self._item, self._harness, running)
                self._raise_death(running)
                if not self._harness.ending:
                    watch.raise_bad_lines()
            finally:
                watch.collect()
                running.death_told = True
                self._clusters.stop(running)

    @contextlib.contextmanager
    def _watched(self, running: Running) -> Iterator["Watch"]:
        watch = Watch(self._item, running)
        self._harness.begin_recording(watch.recording)
        self._item.stash.setdefault(USED, []).append(running)
        if not running.last_user:
            properties = {
                BOOT_PROPERTY: f"{running.boot_seconds:.3f}",
                RUN_PROPERTY: self._clusters.run_of(running),
            }
            self._item.user_properties.extend(properties.items())
            self._item.ihook.pytest_shakeout_booted(
                cluster=running.cluster, seconds=running.boot_seconds
            )
        running.last_user = self._item.nodeid
        logbook = self._item.stash.setdefault(LOGBOOK, Logbook())
        logbook.add(running.cluster)
        before = witness.current.get()
        witness.current.set(logbook)
        look = functools.partial(self._clusters.look_at, running)
        self._harness.looks.append(look)
        try:
            with (
                self._runner.guarded_by(running.guard),
                alarm.set_for(self._harness, running.pids().values()),
                watch.sampling(),
            ):
                yield watch
        finally:
            watch.collect()
            self._harness.looks.remove(look)
            witness.current.set(before)

    def _raise_death(self, running: Running) -> None:
        self._clusters.look_at(running)
        death = running.untold_death
        if death is not None:
            running.death_told = True
            raise death

    def _begin_leak_check(self, running: Running, leak_check: check.LeakCheck) -> None:
        with _looking_into(running):
            self._runner.run(leak_check.begin())

    def _find_leaks(self, running: Running, leak_check: check.LeakCheck) -> None:
        """After a failure, what was left behind only means a new cluster."""
        failed = self._item.stash.get(FAILED, False)
        within = check.SETTLE_SECONDS_MAX_FAILED if failed else check.SETTLE_SECONDS_MAX
        try:
            with _looking_into(running):
                self._runner.run(leak_check.verify(within=within))
        except (errors.Leaked, errors.CouldNotLook):
            if not failed:
                raise


class Watch:
    """Gathers what the members of one cluster log and use while one test runs."""

    def __init__(self, item: pytest.Item, running: Running) -> None:
        self._item = item
        self._running = running
        self._testimony = item.stash.setdefault(TESTIMONY, Testimony(item.nodeid))
        self._prefix = f"{running.cluster.name}." if self._testimony.readers else ""
        self._reader = Reader(
            running.cluster,
            from_boot=running.is_new,
            ahead=running.lease is not None,
            prefix=self._prefix,
        )
        self._testimony.watch(running.cluster, self._reader)

    @property
    def recording(self) -> Recording:
        """Of the test."""
        return self._testimony.recording

    def sampling(self) -> contextlib.AbstractContextManager[None]:
        """While inside, CPU and memory are sampled."""
        return self._running.sampler.sampling(
            self._testimony.usages, self._prefix, self._reader.note_sizes
        )

    def collect(self) -> None:
        """Read what was logged since the last time."""
        self._reader.read()

    def raise_bad_lines(self) -> None:
        """Fail a test that has not failed yet with what should not be in a log. Raises BadLogLines.

        The first one that uses a cluster answers for its boot, too, which nobody else sees.
        """
        self.collect()
        of_boot, of_test = self._bad(self._reader.boot_lines), self._bad(self._reader.lines)
        if (of_boot or of_test) and not self._item.stash.get(FAILED, False):
            raise BadLogLines([*of_boot, *of_test], len(of_boot))

    def _bad(self, lines: Sequence[Line]) -> list[Line]:
        return bad_lines.find(lines, self._testimony.services, self._allowed())

    def _allowed(self) -> list[AllowedLine]:
        markers = self._item.iter_markers("allows_log")
        mine = [AllowedLine(*marker.args, **marker.kwargs) for marker in markers]
        return [*mine, *self._running.cluster.system.allowed_log]


@contextlib.contextmanager
def _looking_into(running: Running) -> Iterator[None]:
    """A cluster in which something is left, or into which nobody can look, is for no other test."""
    try:
        yield
    except BaseException:
        running.dirty = True
        raise


def raise_untold(clusters: Clusters) -> None:
    """Tell the deaths that no test has failed with. Raises DiedBetweenTests, or a group of them, first cause first."""
    told = [errors.DiedBetweenTests(*each) for each in clusters.untold]
    clusters.untold.clear()
    if len(told) > 1:
        raise ExceptionGroup("several components died", told)
    if told:
        raise told[0]


def states(running: Running) -> States:
    """Pids and states of the members that run."""
    members = running.cluster.members
    return {name: (pid, members[name].state) for name, pid in running.pids().items()}


def changes(running: Running, before: States) -> list[str]:
    """What happened to members of a cluster, in words."""
    now = states(running)
    found = [
        f"{name} {'was restarted' if name in now else 'does not run any more'}"
        for name, (pid, _) in before.items()
        if name not in now or now[name][0] != pid
    ]
    return found + [
        f"{name} is not ready"
        for name, (_, state) in now.items()
        if state is State.FAILED and before.get(name) != now[name]
    ]


def note_outcome(
    item: pytest.Item, call: pytest.CallInfo[None], report: pytest.TestReport
) -> None:
    """Remember that the test failed, and which death it told; show what the components logged."""
    if not report.failed:
        return
    item.stash[FAILED] = True
    item.stash[keeping.FAILURE] = report.longreprtext
    error = call.excinfo.value if call.excinfo else None
    for running in item.stash.get(USED, []):
        if running.guard.done() and running.guard.result() is error:
            running.death_told = True
            item.ihook.pytest_shakeout_died(nodeid=item.nodeid, death=error)
    if LOGBOOK in item.stash:
        for component, lines in item.stash[LOGBOOK].of_test().items():
            report.sections.append((f"log of {component}", "\n".join(lines)))
