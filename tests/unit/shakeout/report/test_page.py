"""The page of a test, as its markup tells: whole, escaped, and on its own."""

import base64
import hashlib
import html
from html.parser import HTMLParser

import pytest

from shakeout.report import page, session_page
from shakeout.report.injections import Injected
from shakeout.report.ledger import Odds
from shakeout.report.session import Entry, Session

VOID = {"meta", "input", "br"}


class Reader(HTMLParser):
    """Collects elements and text, and checks that every element is closed where it was opened."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("script", "style"):
            self.text.append(data)


@pytest.fixture
def read(story):
    return Reader(page.render(story()))


def test_page_tells_verdict_cause_lines_and_rerun_before_the_timeline(story):
    text = page.render(story())
    positions = [
        text.index(part)
        for part in (
            "product failed</span>",
            "test_boats_come_home[3]</h1>",
            "Waited 1 s in vain",
            "pytest &#x27;tests/test_boats.py::test_boats_come_home[3]&#x27;",
            "./pants test",
            "leaking",
            'id="timeline"',
            'id="events"',
        )
    ]
    assert positions == sorted(positions)


def test_page_escapes_everything(read, evil):
    names = [name for name, _ in read.elements]
    assert names.count("script") == 1
    assert "img" not in names
    assert not any(key.startswith("on") for _, attributes in read.elements for key in attributes)
    shown = "".join(read.text)
    assert shown.count(evil) > 10, "it is shown as it is"


def test_page_needs_nothing_from_anywhere(read):
    for _, attributes in read.elements:
        assert not attributes.get("src")
        assert attributes.get("href", "#").startswith(("#", "trace.json"))
    policy = next(each["content"] for _, each in read.elements if "http-equiv" in each)
    assert "default-src 'none'" in policy
    scripts = policy.partition("script-src")[2].partition(";")[0]
    assert "unsafe" not in scripts, "scripts are named by their hash"


def test_page_allows_its_own_script_only_as_it_is_written(story):
    text = page.render(story())
    script = text.rpartition("<script>")[2].partition("</script>")[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert html.escape(f"script-src 'sha256-{digest}'") in text


def test_page_works_without_javascript(read):
    rows = [each for name, each in read.elements if name == "tr"]
    assert len(rows) == 1 + 5 + 1 + 3, "head, events, failure, log lines"
    placed = [each for _, each in read.elements if "--b:" in (each.get("style") or "")]
    assert len(placed) > 10, "the timeline is placed by CSS alone"


def test_page_can_be_walked_by_keyboard_and_heard(read):
    names = {name for name, _ in read.elements}
    assert {"main", "header", "footer", "section", "h1", "h2"} <= names
    name, first = next((name, each) for name, each in read.elements if name in ("a", "button"))
    assert (name, first["href"]) == ("a", "#timeline")
    (html_element,) = (each for name, each in read.elements if name == "html")
    assert html_element["lang"] == "en"
    assert all(
        "aria-label" in each or "aria-labelledby" in each
        for _, each in read.elements
        if each.get("role") in ("region", "group")
    )


def test_page_links_what_it_draws_to_rows_that_exist(read):
    ids = {each["id"] for _, each in read.elements if each.get("id")}
    targets = {each["href"] for name, each in read.elements if name == "a"}
    assert {target[1:] for target in targets if target.startswith("#")} <= ids


def test_page_of_a_passed_test_has_no_failure(story):
    text = page.render(story(verdict="passed", failures=(), reruns=(), dump=""))
    assert "It passed." in text
    assert 'class="failure"' not in text


def test_page_of_many_lines_leaves_out_the_least_severe(story):
    line = story().lines[0]
    many = story(lines=(*story().lines, *(line for _ in range(9000))))
    text = page.render(many)
    assert len(text) < 4_000_000
    assert "left out here" in text
    assert "<summary>leaking</summary>" in text


FAULTS = (
    Injected("kill", ("boat",), "load", "recovered"),
    Injected("kill", ("boat",), "idle", "injected"),
    Injected("cut", ("boat", "pier"), "load", "recovered"),
    Injected("pause", ("mast",), "load", "recovered"),
)


def test_session_page_tells_verdicts_failures_coverage_and_flakes(evil):
    entries = (
        Entry(
            "a.py::test_one",
            "passed",
            seconds=3.0,
            faults=FAULTS,
        ),
        Entry("a.py::test_two", "product failed", evil, 1.0, "test_two/index.html", "pytest x"),
        Entry("a.py::test_three", "flaky", "x", 1.0),
    )
    made = Session("now", 7, 0.0, 9.0, entries, (1.0, 2.0))
    text = session_page.render(made, {"a.py::test_one": Odds(3, 6, 3)})
    read = Reader(text)
    assert "2 of 3 failed" in text
    assert "load x1, idle (only injected) x1" in text
    assert "<li>boat -&gt; pier <small>load x1</small></li>" in text
    kill = text[text.index("<td>kill</td>") : text.index("<td>pause</td>")]
    assert kill.endswith("<td><ul><li>mast</li></ul></td></tr><tr>")
    assert "50%" in text
    assert 'href="test_two/index.html"' in text
    assert [name for name, _ in read.elements].count("script") == 0
    assert session_page.summary(made) == "1 passed, 1 product failed, 1 flaky"
