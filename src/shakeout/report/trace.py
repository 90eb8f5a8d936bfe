"""A story as a file in Chrome's trace event format: opens in ui.perfetto.dev and chrome://tracing. Pure.

A process for the test and one for each component; complete events for what took time, instant events for faults,
deaths and log lines of warning and up, counters for CPU and memory. Times are microseconds since the test began.
"""

import json
from collections.abc import Iterator
from typing import Any

from shakeout.report import labels, series
from shakeout.report.model import Level, Line, Story
from shakeout.timeline.record import Event

TEST_PID = 1
MICROSECONDS = 1_000_000
LANES = ("step", "wait", "fault", "operation", "link", "death")


def render(story: Story) -> str:
    """The file's text."""
    return json.dumps(document(story), default=str, separators=(",", ":"))


def document(story: Story) -> dict[str, Any]:
    """The file as data."""
    return {
        "displayTimeUnit": "ms",
        "otherData": {"test": story.nodeid, "verdict": story.verdict, **story.facts},
        "traceEvents": list(_events(story)),
    }


def _events(story: Story) -> Iterator[dict[str, Any]]:
    start = series.start(story)
    pids = {name: number for number, name in enumerate(story.components, TEST_PID + 1)}
    yield from _names({"test": TEST_PID, **pids})
    for number, kind in enumerate(LANES, 1):
        yield _meta("thread_name", TEST_PID, number, kind)
    for event in story.events:
        yield _of_event(event, start)
    for failure in story.failures:
        name = f"failed: {failure.cause.sentence}"
        yield _instant(name, (TEST_PID, 1), _micro(failure.at, start), {"phase": failure.phase})
    for line in story.lines:
        if line.level.rank >= Level.WARNING.rank:
            yield _of_line(line, pids[line.component], start)
    for name, pid in pids.items():
        yield from _counters(story, name, pid, start)


def _names(pids: dict[str, int]) -> Iterator[dict[str, Any]]:
    for name, pid in pids.items():
        yield _meta("process_name", pid, 0, name)
        yield {
            "ph": "M",
            "name": "process_sort_index",
            "pid": pid,
            "tid": 0,
            "args": {"sort_index": pid},
        }


def _meta(what: str, pid: int, tid: int, name: str) -> dict[str, Any]:
    return {"ph": "M", "name": what, "pid": pid, "tid": tid, "args": {"name": name}}


def _of_event(event: Event, start: float) -> dict[str, Any]:
    tid = LANES.index(event.kind) + 1 if event.kind in LANES else len(LANES) + 1
    at = _micro(event.began, start)
    if event.ended is None:
        return _instant(labels.label(event), (TEST_PID, tid), at, event.fields)
    return {
        "ph": "X",
        "name": labels.label(event),
        "cat": event.kind,
        "pid": TEST_PID,
        "tid": tid,
        "ts": at,
        "dur": max(1, _micro(event.ended, event.began)),
        "args": event.fields,
    }


def _of_line(line: Line, pid: int, start: float) -> dict[str, Any]:
    told = {"level": line.level, "trace": line.trace, **line.fields}
    return _instant(line.event, (pid, 1), _micro(line.at, start), told)


def _instant(name: str, where: tuple[int, int], at: int, told: Any) -> dict[str, Any]:
    pid, tid = where
    return {"ph": "i", "s": "p", "name": name, "pid": pid, "tid": tid, "ts": at, "args": told}


def _counters(story: Story, name: str, pid: int, start: float) -> Iterator[dict[str, Any]]:
    for at, percent in series.cpu(story, name):
        told = {"percent of one core": round(percent, 1)}
        yield {"ph": "C", "name": "CPU", "pid": pid, "ts": _micro(at, start), "args": told}
    for at, used in series.memory(story, name):
        told = {"MiB": round(used / series.MEBIBYTE, 1)}
        yield {"ph": "C", "name": "memory", "pid": pid, "ts": _micro(at, start), "args": told}


def _micro(at: float, start: float) -> int:
    return round((at - start) * MICROSECONDS)
