"""What is gathered about one test while it runs; becomes a `model.Story` when it has ended.

`shakeout.evidence` makes one for each test with a cluster, `shakeout.usage` fills in logs and samples.
"""

import json
from dataclasses import asdict

from shakeout.process import logs
from shakeout.report import injections, log_lines, verdict
from shakeout.report.model import Cause, Failure, Line, Rerun, Story, Usage
from shakeout.report.reader import Reader
from shakeout.report.verdict import Ending
from shakeout.system.cluster import Cluster
from shakeout.timeline import moment
from shakeout.timeline.record import Recording

LINES_MAX = 20_000
"""Of all components; the last ones count."""


class Testimony:
    """Of one run of one test."""

    __test__ = False  # it is no test, whatever its name begins with

    def __init__(self, nodeid: str) -> None:
        self.nodeid = nodeid
        self.recording = Recording(moment.now)
        self.began = moment.now()
        self.readers: list[Reader] = []
        self.usages: list[Usage] = []
        self.failures: list[Failure] = []
        self.services: set[str] = set()
        self.facts: dict[str, str] = {}
        self.dump = ""
        self.skipped = False
        self.reruns: list[Ending] = []
        """How the reruns ended that classify a failure."""

    @property
    def verdict(self) -> str:
        """The verdict as far as is known by now."""
        return verdict.judge(self.ending, self.reruns).value

    @property
    def ending(self) -> Ending:
        """As the verdict wants it."""
        causes = [failure.cause for failure in self.failures]
        return Ending(tuple(one.kind for one in causes), tuple(one.signature for one in causes))

    def fail(self, phase: str, cause: Cause, text: str, at: float) -> None:
        """Note that a phase failed, at that moment."""
        self.failures.append(Failure(phase, at, cause, text))

    def lines(self) -> list[Line]:
        """What all components logged, in the order of time; the last words of those that never came to life."""
        found = [line for reader in self.readers for line in reader.story]
        logged = {line.component for line in found}
        for failure in self.failures:
            cause = failure.cause
            if cause.culprit and cause.culprit not in logged:
                words = logs.parse_all(cause.detail, cause.culprit)
                found += log_lines.on_the_clock(cause.culprit, words, failure.at)
        return sorted(found, key=lambda line: line.at)[-LINES_MAX:]

    def collect(self) -> None:
        """Read what was logged since the last time, while it can be read."""
        for reader in self.readers:
            reader.read()

    def watch(self, cluster: Cluster, reader: Reader) -> None:
        """Note a cluster that the test uses, and which of its members are no part of the product."""
        self.readers.append(reader)
        self.facts["system"] = cluster.system.name
        self.services |= {one.name for one in cluster.members.values() if not one.is_component}
        if cluster.links is not None:
            self.services.add(cluster.links.process.name)

    def faults(self) -> str:
        """The faults that were injected, as JSON; empty without any."""
        found = [asdict(each) for each in injections.of(self.recording.events)]
        return json.dumps(found) if found else ""

    def story(self, rerun: Rerun) -> Story:
        """Everything, frozen."""
        return Story(
            self.nodeid,
            self.verdict,
            self.began,
            moment.now(),
            failures=tuple(self.failures),
            rerun=rerun,
            facts=self.facts,
            events=tuple(self.recording.events),
            events_left_out=self.recording.left_out,
            lines=tuple(self.lines()),
            usages=tuple(self.usages),
            dump=self.dump,
            reruns=tuple(each.in_words() for each in self.reruns),
        )
