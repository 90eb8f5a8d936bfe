"""What is remembered of a system that runs for long: the newest events, by number."""

from shakeout.hand import recent


def test_events_are_told_after_a_number():
    seen = recent.Recent()
    for name in ("one", "two", "three"):
        seen.add("step", name, {})
    assert [(one["number"], one["name"]) for one in seen.after(1)] == [(2, "two"), (3, "three")]


def test_oldest_events_are_forgotten():
    seen = recent.Recent()
    for number in range(recent.EVENTS_KEPT + 5):
        seen.add("fault", str(number), {})
    kept = seen.after(0)
    assert len(kept) == recent.EVENTS_KEPT
    assert kept[0]["name"] == "5"
    assert seen.events == []


def test_how_things_were_waited_for_is_left_out():
    seen = recent.Recent()
    seen.add("wait", "for ever", {})
    seen.add("sample", "nothing", {})
    assert seen.after(0) == []
