"""Who uses a kernel: it is idle from the last use's end on, however many used it."""

from quarterdeck.agent.kernels.activity import Activity
from quarterdeck.testing.fakes.clock import FakeClock


def test_idle_time_counts_from_the_end_of_the_last_use():
    clock = FakeClock()
    activity = Activity(clock.monotonic)
    seen: list[float | None] = []

    def look_after(seconds: float) -> None:
        clock.advance(seconds)
        seen.append(activity.idle_seconds)

    look_after(5)
    with activity.using():
        activity.begin()
        look_after(60)
    look_after(1)
    activity.end()
    look_after(2)
    assert seen == [5, None, None, 2]
