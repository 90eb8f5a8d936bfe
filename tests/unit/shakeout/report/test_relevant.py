"""The ten lines that a reader sees first."""

from shakeout.report import relevant
from shakeout.report.model import Cause, Kind, Level, Line

CAUSE = Cause(Kind.COMPONENT_DIED, "agent exited with code 3", culprit="agent")


def line(at, event, level=Level.INFO, component="manager", trace=""):
    return Line(at, component, level, event, trace)


def chosen(lines, began=0.0, failed_at=100.0):
    return [one.event for one in relevant.choose(lines, CAUSE, began, failed_at)]


NOISE = [line(float(number), "http-request") for number in range(99)]


def test_relevant_are_at_most_ten_in_the_order_of_time():
    found = chosen([line(float(number), f"event {number}") for number in range(99)])
    assert found == [f"event {number}" for number in range(89, 99)]


def test_relevant_is_an_error_however_long_ago():
    assert "broken" in chosen([*NOISE, line(3.0, "broken", Level.ERROR)])


def test_relevant_is_what_the_culprit_said():
    assert "bye" in chosen([*NOISE, line(50.0, "bye", component="agent")])


def test_relevant_is_what_belongs_to_the_trace_of_an_error():
    lines = [line(3.0, "broken", Level.ERROR, trace="t1"), line(2.0, "asked", trace="t1")]
    others = [line(float(number), f"event {number}") for number in range(90)]
    assert "asked" in chosen([*others, *lines])


def test_relevant_is_a_line_that_comes_once_rather_than_one_that_comes_always():
    assert "odd" in chosen([*NOISE, line(97.0, "odd")])


def test_errors_from_before_the_phase_that_failed_matter_less():
    early = [line(float(number), f"boot {number}", Level.ERROR) for number in range(10)]
    late = [line(60.0 + number, f"body {number}", Level.WARNING) for number in range(10)]
    assert chosen([*early, *late], began=50.0) == [f"body {number}" for number in range(10)]


def test_what_a_boot_prints_is_shown_only_where_little_else_is():
    boot = [line(float(number), f"boot {number}", Level.WARNING) for number in range(5)]
    body = [line(60.0 + number, f"body {number}") for number in range(3)]
    assert chosen([*boot, *body], began=50.0) == ["body 0", "body 1", "body 2"]
    assert "boot 0" in chosen([*boot, *body[:2]], began=50.0)
