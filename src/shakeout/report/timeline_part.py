"""The timeline of a page: a lane for each kind of event and each component, on one time axis. Pure.

Everything is placed by CSS from its seconds (`--b`, `--w`) and the window (`--from`, `--span`), so it stands without
JavaScript, and zooming changes two numbers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shakeout.report import labels, lanes, series
from shakeout.report.events_part import Row
from shakeout.report.lanes import Axis, Bar, Mark
from shakeout.report.markup import Child, Html, place, tag
from shakeout.report.model import Level, Story

SPARK_HEIGHT = 100.0
KINDS: Mapping[str, str] = {
    "step": "Test",
    "wait": "Waits",
    "fault": "Faults",
    "operation": "Operations",
    "link": "Links",
    "death": "Deaths",
}
TITLE_LENGTH_MAX = 400
LEGEND = (
    "Each tick is a log line, taller and redder the more severe. Grey area: CPU, full height is one core. Violet "
    "line: memory. Drag to zoom, click anything to find it in the table."
)


def render(story: Story, axis: Axis, rows: Sequence[Row]) -> Html:
    """The whole section."""
    drawing = _Drawing(story, axis, {id(row.source): row.id for row in rows})
    drawn = [drawing.kind_lane(kind, label) for kind, label in KINDS.items()]
    drawn += [drawing.component_lane(name) for name in story.components]
    chart = tag(
        "div",
        _axis(axis),
        drawn,
        tag(
            "div",
            _shades(story, axis),
            _failures(story, axis),
            class_="over-lanes",
            aria_hidden="true",
        ),
        id="chart",
        class_="chart",
        tabindex="0",
        role="group",
        aria_label="Timeline. Plus and minus zoom, arrow keys move, zero shows all. The table below holds the same.",
        style=f"--from:0;--span:{axis.seconds:.6g}",
        data_seconds=f"{axis.seconds:.6g}",
        data_failed=_failed_at(story, axis),
    )
    return tag(
        "section",
        tag("div", tag("h2", "Timeline"), _controls(story), class_="bar"),
        chart,
        tag("p", LEGEND, class_="legend"),
        id="timeline",
        class_="wide",
        tabindex="-1",
    )


def _controls(story: Story) -> Html:
    names = [tag("option", name, value=name) for name in ("test", *story.components)]
    levels = [tag("option", f"{level} and up", value=level) for level in tuple(Level)[1:]]
    zooms = (
        ("in", "+", "Zoom in"),
        ("out", "-", "Zoom out"),
        ("fail", "To failure", None),
        ("all", "All", None),
    )
    buttons = [
        tag("button", text, type="button", data_zoom=name, aria_label=label)
        for name, text, label in zooms
    ]
    return tag(
        "form",
        tag("span", buttons, class_="buttons", role="group", aria_label="Zoom"),
        _labelled(
            "Component", tag("select", tag("option", "all", value=""), names, id="by-component")
        ),
        _labelled("Level", tag("select", tag("option", "all", value=""), levels, id="by-level")),
        _labelled("Text", tag("input", type="search", id="by-text", size="12")),
        class_="controls js",
        id="filters",
    )


def _labelled(text: str, control: Html) -> Html:
    return tag("label", tag("span", text), " ", control)


def _axis(axis: Axis) -> Html:
    labels = [
        tag("span", lanes.duration(at) if at else "0", style=place(b=at), class_="tick")
        for at in lanes.ticks(axis.seconds)
    ]
    return tag(
        "div",
        tag("div", class_="label"),
        tag("div", labels, class_="track", id="axis"),
        class_="lane axis",
    )


@dataclass(frozen=True)
class _Drawing:
    """Draws lanes; `ids` are those of the table's rows, by the identity of what they tell of."""

    story: Story
    axis: Axis
    ids: Mapping[int, str]

    def kind_lane(self, kind: str, label: str) -> Child:
        events = [event for event in self.story.events if event.kind == kind]
        found = lanes.bars(events, self.axis)
        if not found:
            return None
        height = max(bar.row for bar in found) + 1
        remark = str(len(found)) if kind != "step" else ""
        return _lane((label, remark), [self._bar(bar) for bar in found], kind, height)

    def component_lane(self, name: str) -> Html:
        lines = [line for line in self.story.lines if line.component == name]
        drawn = [self._mark(mark) for mark in lanes.marks(lines, self.axis)]
        cpu, memory = series.cpu(self.story, name), series.memory(self.story, name)
        remarks = []
        if cpu:
            remarks.append(f"CPU {lanes.duration(series.cpu_seconds(self.story, name))}")
        if memory:
            greatest = max(value for _, value in memory)
            remarks.append(f"{greatest / series.MEBIBYTE:.0f} MiB")
        sparks = (_spark(cpu, self.axis, "cpu"), _spark(memory, self.axis, "memory"))
        return _lane((name, " · ".join(remarks)), (sparks, drawn), "component")

    def _bar(self, bar: Bar) -> Html:
        event = bar.event
        failed = " failed" if "error" in event.fields else ""
        instant = " instant" if event.ended is None else ""
        took = f" ({lanes.duration(bar.seconds)})" if event.ended is not None else ""
        return tag(
            "a",
            tag("span", labels.label(event)),
            [_attempt(run, bar) for run in event.fields.get("samples", ())],
            class_=f"span {event.kind}{failed}{instant}",
            href=f"#{self.ids.get(id(event), 'events')}",
            tabindex="-1",
            title=f"{labels.label(event)}{took}\n{event.fields.get('error', '')}".strip()[
                :TITLE_LENGTH_MAX
            ],
            style=place(b=bar.begins, w=bar.seconds, r=bar.row),
        )

    def _mark(self, mark: Mark) -> Html:
        line = mark.line
        hidden = f"\n(and {mark.hidden} more at this spot)" if mark.hidden else ""
        return tag(
            "a",
            class_=f"mark {line.level}",
            href=f"#{self.ids.get(id(line), 'events')}",
            tabindex="-1",
            title=f"{line.level}: {line.event[:TITLE_LENGTH_MAX]}{hidden}",
            data_level=line.level,
            style=place(b=mark.at),
        )


def _lane(label: tuple[str, str], drawn: Child, kind: str, rows: int = 1) -> Html:
    name, remark = label
    return tag(
        "div",
        tag("div", tag("b", name), " ", tag("small", remark), class_="label"),
        tag("div", drawn, class_="track", style=f"--rows:{rows}"),
        class_=f"lane {kind}",
        data_lane=name if kind == "component" else "test",
    )


def _attempt(run: object, bar: Bar) -> Child:
    """What a wait saw anew, inside of its bar."""
    if not bar.seconds:
        return None
    share = min(1.0, float(getattr(run, "first", 0.0)) / bar.seconds) * series.PERCENT
    seen = str(getattr(run, "text", run))
    return tag("i", class_="attempt", style=f"left:{share:.2f}%", title=seen)


def _spark(points: series.Points, axis: Axis, kind: str) -> Child:
    """A curve from zero to its greatest value; CPU at least to one core, so that idling looks idle."""
    if not points:
        return None
    greatest = max(value for _, value in points) or 1.0
    top = max(greatest, series.PERCENT) if kind == "cpu" else greatest * 1.1
    pairs = [
        f"{axis.at(at) / axis.seconds * 1000:.1f},{SPARK_HEIGHT * (1 - value / top):.1f}"
        for at, value in points
    ]
    first, last = pairs[0].partition(",")[0], pairs[-1].partition(",")[0]
    area = " ".join([f"{first},{SPARK_HEIGHT:g}", *pairs, f"{last},{SPARK_HEIGHT:g}"])
    shape = (
        tag("polygon", points=area) if kind == "cpu" else tag("polyline", points=" ".join(pairs))
    )
    return tag(
        "svg",
        shape,
        viewBox=f"0 0 1000 {SPARK_HEIGHT:g}",
        preserveAspectRatio="none",
        class_=f"spark {kind}",
        style=place(b=0.0, w=axis.seconds),
        aria_hidden="true",
    )


def _shades(story: Story, axis: Axis) -> list[Html]:
    """Behind all lanes, while a fault lasts."""
    faults = [event for event in story.events if event.kind == "fault" and event.ended]
    return [
        tag("div", class_="shade", style=place(b=bar.begins, w=bar.seconds))
        for bar in lanes.bars(faults, axis)
    ]


def _failures(story: Story, axis: Axis) -> list[Html]:
    return [
        tag("div", tag("span", "failed"), class_="failure", style=place(b=axis.at(failure.at)))
        for failure in story.failures[:1]
    ]


def _failed_at(story: Story, axis: Axis) -> str | None:
    return f"{axis.at(story.failure.at):.6g}" if story.failure else None
