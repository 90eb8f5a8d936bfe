"""The page of one test: on top what happened and why, below it the timeline and every event. Pure.

`timeline_part` draws the lanes, `events_part` the table.
"""

from collections.abc import Mapping

from shakeout.report import events_part, lanes, relevant, timeline_part
from shakeout.report.markup import Child, Html, asset, document, tag
from shakeout.report.model import Failure, Line, Rerun, Story
from shakeout.timeline import moment
from shakeout.timeline.record import Event

CHIPS: Mapping[str, str] = {
    "product failed": "bad",
    "infrastructure failed": "machine",
    "flaky": "flaky",
    "unknown": "unknown",
    "passed": "good",
    "skipped": "unknown",
}
TRACE_FILE = "trace.json"
FOLDED_LINES = 12


def render(story: Story) -> str:
    """The page as text."""
    axis = lanes.axis(story)
    rows = events_part.rows(story, axis)
    body = tag(
        "main",
        _top(story),
        timeline_part.render(story, axis, rows),
        events_part.render(story, rows),
        _traceback(story),
        _dump(story),
        _footer(story),
        id="top",
    )
    skip = tag("a", "Skip to the timeline", class_="skip", href="#timeline")
    title = f"{story.verdict}: {story.nodeid.rpartition('::')[2]}"
    return document(title, Html(skip + body), asset("page.js"))


def chip(verdict: str) -> Html:
    """A verdict in its colour, and in words."""
    return tag("span", verdict, class_=f"chip {CHIPS.get(verdict, 'unknown')}")


def _top(story: Story) -> Html:
    file, _, name = story.nodeid.rpartition("::")
    failure = story.failure
    place_of_it = [tag("span", file, class_="path")]
    if failure and failure.phase != "call":
        place_of_it.append(tag("span", f" in {_phase(failure.phase)}", class_="path"))
    return tag(
        "header",
        tag("p", chip(story.verdict), " ", place_of_it, class_="over"),
        tag("h1", name),
        tag("p", failure.cause.sentence if failure else "It passed.", class_="cause", id="cause"),
        tag("div", tag("div", _proof(story), _reruns(story.rerun)), _log(story), class_="columns"),
        class_="top",
        aria_labelledby="cause",
    )


def _phase(phase: str) -> str:
    return {"setup": "its set-up", "teardown": "its tear-down"}.get(phase, phase)


def _proof(story: Story) -> Html:
    """What proves the cause: last words, samples, the comparison."""
    failure = story.failure
    if failure is None:
        return Html("")
    shown = failure.cause.detail or _last_lines(failure.text)
    return tag(
        "section",
        tag("h2", _what(failure)),
        tag("pre", shown, tabindex="0", role="region", aria_label="proof"),
        _others(story),
        class_="proof",
    )


def _what(failure: Failure) -> str:
    cause = failure.cause
    if cause.head and cause.detail:
        return f"What {cause.culprit} wrote last"
    return "What was seen" if cause.kind.value == "wait timed out" else "What was found"


def _others(story: Story) -> Child:
    """Later failures of the same test, and how its reruns ended."""
    items = [
        tag("li", f"then, in {_phase(each.phase)}: {each.cause.sentence}")
        for each in story.failures[1:]
    ]
    items += [tag("li", f"rerun {number}: {text}") for number, text in enumerate(story.reruns, 1)]
    return tag("ul", items, class_="others") if items else None


def _last_lines(text: str) -> str:
    return "\n".join(text.splitlines()[-FOLDED_LINES:])


def _log(story: Story) -> Html:
    failure = story.failure
    at = failure.at if failure else story.ended
    chosen = (
        relevant.choose(story.lines, failure.cause, _began(story, failure), at) if failure else []
    )
    content = tag("ol", [_log_line(line, at) for line in chosen], class_="log")
    if not chosen:
        content = tag("p", "No component logged anything.", class_="quiet")
    return tag("section", tag("h2", "Most relevant log lines"), content)


def _began(story: Story, failure: Failure) -> float:
    """When the phase began that failed: the test's body, or anything after the set-up."""
    if failure.phase == "setup":
        return story.began
    bodies = (
        event.began for event in story.events if event.kind == "step" and not _is_set_up(event)
    )
    return next(bodies, story.began)


def _is_set_up(event: Event) -> bool:
    return event.name.startswith("set up ")


def _log_line(line: Line, failed_at: float) -> Html:
    before = lanes.duration(line.at - failed_at)
    count = f" x{line.count}" if line.count > 1 else ""
    return tag(
        "li",
        tag("time", before, title=f"{moment.clock_time(line.at)} UTC"),
        tag("b", line.component),
        tag("span", line.level.value, class_=f"level {line.level.value}"),
        tag("span", line.event.partition("\n")[0] + count, class_="event"),
        _fields(line),
        class_=line.level.value,
    )


def _fields(line: Line) -> Child:
    shown = {key: value for key, value in line.fields.items() if key != "traceback"}
    text = " ".join(f"{key}={value}" for key, value in shown.items())
    return tag("span", text, class_="fields") if text else None


def _reruns(rerun: Rerun) -> Html:
    commands = [one for one in (rerun.pytest, rerun.pants) if one]
    rows = [
        tag("div", tag("code", one, tabindex="0"), tag("button", "Copy", class_="copy js"))
        for one in commands
    ]
    return tag("section", tag("h2", "Run it again"), rows, class_="rerun")


def _traceback(story: Story) -> Child:
    parts = [
        tag(
            "details",
            tag("summary", f"Traceback of {_phase(each.phase)}"),
            tag("pre", each.text, tabindex="0"),
        )
        for each in story.failures
    ]
    return tag("section", tag("h2", "Where in the test"), parts, class_="wide") if parts else None


def _dump(story: Story) -> Child:
    if not story.dump:
        return None
    heading = tag("h2", "Where each task waited when the time was up")
    return tag("section", heading, tag("pre", story.dump, tabindex="0"), class_="wide")


def _footer(story: Story) -> Html:
    facts = {
        "began": f"{moment.date_and_time(story.began)} UTC",
        "took": lanes.duration(story.ended - story.began),
        **story.facts,
    }
    listed = [(tag("dt", key), tag("dd", value)) for key, value in facts.items() if value]
    link = tag("a", TRACE_FILE, href=TRACE_FILE)
    hint = tag("p", "Open ", link, " in ui.perfetto.dev or chrome://tracing.", class_="quiet")
    return tag("footer", tag("dl", listed), hint)
