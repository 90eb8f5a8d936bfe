"""The page of a session: verdicts, failures, fault coverage, slowest tests, flakes, boots. Pure."""

from collections.abc import Iterable, Mapping, Sequence

from shakeout.report import lanes, page
from shakeout.report.injections import RECOVERED, Injected
from shakeout.report.ledger import Odds
from shakeout.report.markup import Child, Html, document, tag
from shakeout.report.session import Entry, Session
from shakeout.report.verdict import Verdict
from shakeout.timeline import moment

SLOWEST_SHOWN = 10
FLAKY_SHOWN = 20
METER_WIDTH_REM = 12.0


def render(session: Session, odds: Mapping[str, Odds] | None = None) -> str:
    """The page as text; `odds` are what the ledger tells of past runs."""
    body = tag(
        "main",
        _top(session),
        _unreadable(session.unreadable),
        _failures(session.failures),
        _coverage(session.entries),
        _slowest(session.entries),
        _flakes(odds or {}, {entry.nodeid for entry in session.entries}),
        _boots(session.boots),
        _footer(session),
        id="top",
    )
    skip = tag("a", "Skip to the failures", class_="skip", href="#failures")
    return document(f"{_headline(session)}: {session.name}", Html(skip + body))


def summary(session: Session) -> str:
    """The verdicts on one line, and what is missing on further ones."""
    counts = ((verdict, session.count(verdict)) for verdict in Verdict)
    verdicts = ", ".join(f"{count} {verdict}" for verdict, count in counts if count)
    return "\n".join([verdicts, *(f"left out: {one}" for one in session.unreadable)])


def _headline(session: Session) -> str:
    failures = len(session.failures)
    told = f"{failures} of {len(session.entries)} failed" if failures else "all passed"
    return f"{told} of what can be read" if session.unreadable else told


def _top(session: Session) -> Html:
    tiles = [
        tag(
            "div",
            tag("dt", verdict.value),
            tag("dd", str(session.count(verdict))),
            class_=None if session.count(verdict) else "zero",
        )
        for verdict in Verdict
    ]
    return tag(
        "header",
        tag("p", tag("span", session.name, class_="path"), class_="over"),
        tag("h1", _headline(session)),
        tag("dl", tiles, class_="tiles"),
    )


def _unreadable(unreadable: Sequence[str]) -> Child:
    """What the page does not know: who was killed while it wrote had tests, too."""
    if not unreadable:
        return None
    listed = tag("ul", [tag("li", each) for each in unreadable])
    return tag("section", tag("h2", "Left out"), listed, class_="wide", id="unreadable")


def _failures(failures: Sequence[Entry]) -> Html:
    if not failures:
        return tag(
            "section", tag("h2", "Failures"), tag("p", "None."), id="failures", class_="wide"
        )
    found = [
        (page.chip(entry.verdict), _named(entry), entry.cause, tag("code", entry.rerun))
        for entry in sorted(failures, key=lambda entry: (entry.verdict, entry.nodeid))
    ]
    table = _table(("Verdict", "Test", "Cause", "Run it again"), found)
    return tag("section", tag("h2", "Failures"), table, id="failures", class_="wide")


def _named(entry: Entry) -> Html:
    file, _, name = entry.nodeid.rpartition("::")
    title = tag("a", name, href=entry.page) if entry.page else tag("span", name)
    return tag("span", title, tag("br"), tag("small", file))


def _coverage(entries: Iterable[Entry]) -> Child:
    """Each fault with the components or links that it was injected into, in which phases, how often, and the others."""
    reached: dict[str, dict[tuple[str, ...], list[str]]] = {}
    for entry in entries:
        for fault in entry.faults:
            reached.setdefault(fault.name, {}).setdefault(fault.targets, []).append(_told(fault))
    if not reached:
        return None
    everywhere = {targets for found in reached.values() for targets in found}
    rows = [
        (name, _reached(found), _missed(found, everywhere))
        for name, found in sorted(reached.items())
    ]
    table = _table(("Fault", "Injected into", "Never into"), rows)
    return tag("section", tag("h2", "Fault coverage"), table, class_="wide", id="coverage")


def _told(fault: Injected) -> str:
    """The phase of the system; and how far the fault got, if it did not get to its end."""
    return fault.phase if fault.reached == RECOVERED else f"{fault.phase} (only {fault.reached})"


def _reached(found: Mapping[tuple[str, ...], Sequence[str]]) -> Html:
    return tag(
        "ul", [tag("li", _place(each), " ", _phases(found[each])) for each in sorted(found)]
    )


def _phases(phases: Sequence[str]) -> Html:
    counted = {phase: phases.count(phase) for phase in dict.fromkeys(phases)}
    return tag("small", ", ".join(f"{phase} x{count}" for phase, count in counted.items()))


def _missed(found: Iterable[tuple[str, ...]], everywhere: Iterable[tuple[str, ...]]) -> Html:
    """Places of the same kind, components or links, that saw other faults only."""
    reached = set(found)
    kinds = {len(each) for each in reached}
    missed = sorted(each for each in everywhere if each not in reached and len(each) in kinds)
    return tag("ul", [tag("li", _place(each)) for each in missed])


def _place(targets: tuple[str, ...]) -> str:
    return " -> ".join(targets)


def _slowest(entries: Iterable[Entry]) -> Child:
    found = sorted(entries, key=lambda entry: -entry.seconds)[:SLOWEST_SHOWN]
    if not found:
        return None
    longest = found[0].seconds or 1.0
    rows = [(_bar(entry.seconds, longest), _named(entry)) for entry in found]
    return tag(
        "section", tag("h2", "Slowest tests"), _table(("Time", "Test"), rows), class_="wide"
    )


def _bar(seconds: float, longest: float) -> Html:
    width = METER_WIDTH_REM * seconds / longest
    return tag(
        "span",
        tag("span", class_="meter", style=f"width:{width:.2f}rem", aria_hidden="true"),
        lanes.duration(seconds),
    )


def _flakes(odds: Mapping[str, Odds], here: set[str]) -> Child:
    flaky = [(name, each) for name, each in odds.items() if each.flaky and name in here]
    if not flaky:
        return None
    ordered = sorted(flaky, key=lambda each: each[1].probability)[:FLAKY_SHOWN]
    rows = [(_percent(each), f"{each.passed} of {each.runs}", name) for name, each in ordered]
    table = _table(("Probability of passing", "Passed", "Test"), rows)
    return tag("section", tag("h2", "Tests whose outcome changes"), table, class_="wide")


def _percent(odds: Odds) -> str:
    low, high = odds.interval
    return f"{odds.probability:.0%} (95 % sure: {low:.0%} to {high:.0%})"


def _boots(boots: Sequence[float]) -> Child:
    if not boots:
        return None
    middle = sorted(boots)[len(boots) // 2]
    told = f"{len(boots)}, median {lanes.duration(middle)}, slowest {lanes.duration(max(boots))}"
    return tag("section", tag("h2", "Clusters booted"), tag("p", told), class_="wide")


def _footer(session: Session) -> Html:
    facts = {
        "began": f"{moment.date_and_time(session.began)} UTC",
        "took": lanes.duration(session.ended - session.began),
        "seed": str(session.seed),
        **session.facts,
    }
    listed = [(tag("dt", key), tag("dd", value)) for key, value in facts.items() if value]
    return tag("footer", tag("dl", listed))


def _table(head: Sequence[str], rows: Iterable[Sequence[Child]]) -> Html:
    body = [tag("tr", [tag("td", cell) for cell in row]) for row in rows]
    columns = [tag("th", text, scope="col") for text in head]
    table = tag("table", tag("thead", tag("tr", columns)), tag("tbody", body))
    return tag("div", table, class_="scroll", tabindex="0", role="region", aria_label=head[0])
