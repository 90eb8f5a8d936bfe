"""The table of a page that holds every event and every log line: what the timeline shows, in words. Pure."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shakeout.report import labels, lanes, log_lines
from shakeout.report.lanes import Axis
from shakeout.report.markup import Child, Html, tag
from shakeout.report.model import Failure, Level, Line, Story
from shakeout.timeline.record import Event

ROWS_MAX = 4_000
DETAIL_LENGTH_MAX = 20_000


@dataclass(frozen=True)
class Row:
    """One row; `source` is what it tells of."""

    id: str
    at: float
    who: str
    level: str
    what: str
    trace: str
    detail: str
    source: object


def rows(story: Story, axis: Axis) -> list[Row]:
    """All rows in the order of time; of too many, the least severe log lines are left out, the earliest first."""
    told = [*_of_events(story.events, axis), *_of_failures(story.failures, axis)]
    lines = _most_severe(story.lines, ROWS_MAX - len(told))
    told += [_of_line(line, axis) for line in log_lines.collapsed(lines)]
    ordered = sorted(told, key=lambda row: row.at)
    return [_numbered(row, number) for number, row in enumerate(ordered)]


def render(story: Story, found: Sequence[Row]) -> Html:
    """The whole section."""
    head = [tag("th", text, scope="col") for text in ("Time", "Who", "Level", "What", "Trace")]
    left_out = len(story.lines) + len(story.events) + story.events_left_out - _told(found)
    remark = f"{len(found)} rows"
    if left_out > 0:
        remark += f"; {left_out} less severe lines are left out here"
    table = tag("table", tag("thead", tag("tr", head)), tag("tbody", map(_row, found)))
    return tag(
        "section",
        tag("h2", "Every event ", tag("small", remark, id="shown", aria_live="polite")),
        tag("div", table, class_="scroll", tabindex="0", role="region", aria_label="Every event"),
        id="events",
        class_="wide",
    )


def _row(row: Row) -> Html:
    what: Child = row.what
    if row.detail:
        what = tag("details", tag("summary", row.what), tag("pre", row.detail))
    return tag(
        "tr",
        tag("td", f"{row.at:.3f}", class_="number"),
        tag("td", row.who),
        tag("td", tag("span", row.level, class_=f"level {row.level}")),
        tag("td", what),
        tag("td", tag("code", row.trace)),
        id=row.id,
        class_=row.level,
        data_who=row.who.partition(" ")[0],
        data_level=row.level,
    )


def _of_events(events: Iterable[Event], axis: Axis) -> list[Row]:
    return [
        Row(
            "",
            axis.at(event.began),
            f"test {event.kind}",
            Level.ERROR if "error" in event.fields else Level.INFO,
            _named(event),
            "",
            _detail(event.fields),
            event,
        )
        for event in events
    ]


def _named(event: Event) -> str:
    if event.ended is None:
        return labels.label(event)
    return f"{labels.label(event)} ({lanes.duration(event.ended - event.began)})"


def _of_failures(failures: Iterable[Failure], axis: Axis) -> list[Row]:
    return [
        Row(
            "",
            axis.at(each.at),
            "test failed",
            Level.CRITICAL,
            each.cause.sentence,
            "",
            each.cause.detail,
            each,
        )
        for each in failures
    ]


def _of_line(line: Line, axis: Axis) -> Row:
    head, _, rest = line.event.partition("\n")
    count = f" x{line.count}" if line.count > 1 else ""
    detail = "\n".join(part for part in (rest, _detail(line.fields)) if part)
    at = axis.at(line.at)
    return Row("", at, line.component, line.level, head + count, line.trace, detail, line)


def _numbered(row: Row, number: int) -> Row:
    return Row(
        f"e{number}", row.at, row.who, row.level, row.what, row.trace, row.detail, row.source
    )


def _most_severe(lines: Sequence[Line], count: int) -> list[Line]:
    if len(lines) <= count:
        return list(lines)
    ranked = sorted(enumerate(lines), key=lambda each: (each[1].level.rank, each[0]))
    return [line for _, line in sorted(ranked[len(lines) - count :], key=lambda each: each[0])]


def _told(found: Iterable[Row]) -> int:
    counts = (row.source.count if isinstance(row.source, Line) else 1 for row in found)
    return sum(counts)


def _detail(fields: Mapping[str, Any]) -> str:
    """One field a line; samples of a wait one sample a line."""
    lines = []
    for key, value in fields.items():
        if value in ("", None, [], ()):
            continue
        if key == "samples":
            lines += ["samples:", *(f"  {run.render()}" for run in value)]
        else:
            lines.append(f"{key}: {value if isinstance(value, str) else _json(value)}")
    return "\n".join(lines)[:DETAIL_LENGTH_MAX]


def _json(value: object) -> str:
    return json.dumps(value, default=str, ensure_ascii=False)
