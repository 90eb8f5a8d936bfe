"""The page of a failed test in a real browser: the cause is above the fold, and nothing is asked of anybody."""

import pytest

from shakeout.report import build, rerun
from shakeout.report.model import Cause, Failure, Kind, Level, Line, Story, Usage
from shakeout.timeline.record import Event

NODEID = "tests/integration/failover/test_restart.py::test_session_survives_restart"
ABOVE_THE_FOLD = """(() => {
  const inside = (one) => { const box = one.getBoundingClientRect(); return box.top >= 0 && box.bottom <= innerHeight && box.height > 0; };
  return Object.fromEntries([".chip", "h1", "#cause", ".log li:last-child", ".rerun code"].map(
    (selector) => [selector, inside(document.querySelector(selector))]));
})()"""
CONTRAST = """(() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgb = (colour) => { canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1); return [...canvas.getImageData(0, 0, 1, 1).data]; };
  const light = (colour) => { const [r, g, b] = rgb(colour).map((each) => each / 255).map(
    (each) => each <= 0.04045 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const ground = (one) => { while (one) { const c = getComputedStyle(one).backgroundColor; if (rgb(c)[3] === 255 && c !== "rgba(0, 0, 0, 0)") return c; one = one.parentElement; } };
  const poor = [];
  for (const one of document.querySelectorAll("h1, h2, #cause, .path, .level, .event, .fields, time, code, small, td, th, .chip, .tick, dt, dd, .legend")) {
    const [a, b] = [light(getComputedStyle(one).color), light(ground(one))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) poor.push(`${one.className || one.tagName} ${ratio.toFixed(2)}`);
  }
  return poor;
})()"""


@pytest.fixture
def page(tmp_path):
    """URL of the page of a test that failed since a component died."""
    words = [
        Line(
            1000.0 + number / 10,
            "agent",
            Level.INFO,
            f"heartbeat {number}",
            fields={"load": number},
        )
        for number in range(20)
    ]
    words.append(Line(1002.4, "manager", Level.ERROR, "no-lease", "t1", {"token": 4}))
    words.append(Line(1002.3, "manager", Level.WARNING, "<img src=http://127.0.0.1:9/x>", "t1"))
    cause = Cause(
        Kind.COMPONENT_DIED,
        "manager exited with code 3; its last words: no-lease token=4.",
        "\n".join(f"line {number} of what manager wrote" for number in range(14)),
        "manager",
    )
    story = Story(
        NODEID,
        "product failed",
        1000.0,
        1003.0,
        failures=(Failure("call", 1002.5, cause, "E  ComponentDied"),),
        rerun=rerun.commands(NODEID, rerun.Circumstances(7, randomly=True, pants=True)),
        facts={"seed": "7"},
        events=(
            Event("step", "set up cluster", 1000.0, 1001.0),
            Event("step", "test_session_survives_restart", 1001.0, 1002.5, {"error": "x"}),
            Event("fault", "kill manager", 1001.5, 1002.0),
        ),
        lines=tuple(sorted(words, key=lambda line: line.at)),
        usages=tuple(Usage(1000.0 + at, "manager", at / 3, 50 << 20) for at in range(3)),
    )
    return build.write_story(story, tmp_path / "page").as_uri()


async def test_cause_lines_and_rerun_are_above_the_fold(browser, page):
    async with browser() as tab:
        await tab.open(page, width=1280, height=800)
        seen = await tab.evaluate(ABOVE_THE_FOLD)
        assert set(seen.values()) == {True}, seen
        assert await tab.evaluate("document.querySelectorAll('.log li').length") == 10
        assert (await tab.evaluate("document.querySelector('#cause').textContent")).startswith(
            "manager exited with code 3"
        )


async def test_page_asks_nobody_and_complains_of_nothing(browser, page):
    async with browser() as tab:
        await tab.open(page)
        assert tab.requests == [page]
        assert tab.complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_page_can_be_read_in_light_and_dark(browser, page, scheme):
    async with browser() as tab:
        await tab.open(page, scheme=scheme)
        ground = await tab.evaluate("getComputedStyle(document.body).backgroundColor")
        brightness = sum(map(int, ground.strip("rgb()").split(",")))
        assert (brightness > 600) is (scheme == "light")
        assert await tab.evaluate(CONTRAST) == []


async def test_page_fits_a_telephone(browser, page):
    async with browser() as tab:
        await tab.open(page, width=360, height=740)
        assert await tab.evaluate("document.documentElement.scrollWidth") <= 360
        assert await tab.evaluate(
            "document.querySelector('#cause').getBoundingClientRect().bottom < innerHeight"
        )


async def test_page_zooms_and_filters_by_keyboard(browser, page):
    async with browser() as tab:
        await tab.open(page)
        await tab.press("Tab")
        assert await tab.evaluate("document.activeElement.className") == "skip"
        await tab.evaluate("document.getElementById('chart').focus()")
        await tab.press("+")
        span = "Number(document.getElementById('chart').style.getPropertyValue('--span'))"
        assert await tab.evaluate(span) == pytest.approx(1.5)
        await tab.press("0")
        assert await tab.evaluate(span) == pytest.approx(3)
        await tab.evaluate("document.getElementById('by-text').focus()")
        await tab.call("Input.insertText", text="no-lease")
        rows = "document.querySelectorAll('#events tbody tr:not([hidden])').length"
        assert await tab.evaluate(rows) == 2, "the line, and the failure that quotes it"


async def test_page_works_without_javascript(browser, page):
    async with browser() as tab:
        await tab.open(page, javascript=False)
        document = await tab.call("DOM.getDocument")
        root = document["root"]["nodeId"]
        rows = await tab.call("DOM.querySelectorAll", nodeId=root, selector="#events tbody tr")
        assert len(rows["nodeIds"]) == 3 + 1 + 22
        bar = await tab.call("DOM.querySelector", nodeId=root, selector=".span.fault")
        box = (await tab.call("DOM.getBoxModel", **bar))["model"]
        assert box["width"] > 100, "the timeline stands"
        controls = await tab.call("DOM.querySelector", nodeId=root, selector="#filters")
        style = await tab.call("CSS.enable") or await tab.call(
            "CSS.getComputedStyleForNode", **controls
        )
        shown = {each["name"]: each["value"] for each in style["computedStyle"]}
        assert shown["display"] == "none", "no button that does nothing"
