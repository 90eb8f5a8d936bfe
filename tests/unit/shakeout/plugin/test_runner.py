"""The runner by itself: deaths, interruptions and left-over tasks end what runs, and are told right."""

import asyncio
import contextlib
import contextvars
import threading

import pytest

from shakeout.runner import Runner


class Death(Exception):
    """A component died."""


@pytest.fixture
def runner():
    made = Runner()
    yield made
    made.close()


@pytest.fixture
def guard(runner):
    """A guard of what runs; `dies` makes it tell a death a moment later."""
    future = runner.loop.create_future()
    with runner.guarded_by(future):
        yield future


def dies(guard, seconds: float = 0.0) -> None:
    guard.get_loop().call_later(seconds, guard.set_result, Death("manager died"))


async def for_ever():
    await asyncio.Event().wait()


def test_run_returns_the_result(runner):
    assert runner.run(asyncio.to_thread(int, "7")) == 7


def test_run_raises_what_is_raised(runner, guard):
    async def fails():
        raise LookupError("its own")

    with pytest.raises(LookupError, match="its own"):
        runner.run(fails())


def test_runs_share_one_loop(runner):
    async def loop():
        return asyncio.get_running_loop()

    assert runner.run(loop()) is runner.run(loop()) is runner.loop


def test_run_sees_the_context_of_its_caller(runner):
    variable = contextvars.ContextVar("variable", default="unset")
    variable.set("set")

    async def read():
        return variable.get()

    assert runner.run(read()) == "set"


def test_run_inside_of_a_run_is_explained(runner):
    async def nested():
        runner.run(for_ever())

    with pytest.raises(RuntimeError, match="so await it"):
        runner.run(nested())


def test_death_ends_what_runs(runner, guard):
    dies(guard)
    with pytest.raises(Death, match="manager died"):
        runner.run(for_ever())


def test_death_is_told_when_it_comes_just_after_its_consequence(runner, guard):
    async def connection_lost():
        dies(guard, seconds=0.05)
        raise ConnectionResetError("by peer")

    with pytest.raises(Death) as caught:
        runner.run(connection_lost())
    assert caught.value.__notes__ == ["meanwhile the test raised ConnectionResetError: by peer"]


def test_death_is_told_when_it_was_swallowed(runner, guard):
    async def swallows():
        dies(guard)
        with contextlib.suppress(asyncio.CancelledError):
            await for_ever()

    with pytest.raises(Death):
        runner.run(swallows())


def test_death_lets_clean_up_run(runner, guard):
    steps = []

    async def cleans_up():
        dies(guard)
        try:
            await for_ever()
        finally:
            steps.append(await asyncio.to_thread(str, "cleaned"))

    with pytest.raises(Death):
        runner.run(cleans_up())
    assert steps == ["cleaned"]


def test_known_death_does_not_stop_later_clean_up(runner, guard):
    dies(guard)
    with pytest.raises(Death):
        runner.run(for_ever())
    assert runner.run(asyncio.to_thread(int, "7")) == 7


def test_death_of_somebody_elses_cluster_does_not_matter(runner):
    other = runner.loop.create_future()
    with runner.guarded_by(other):
        pass
    dies(other)
    assert runner.run(asyncio.to_thread(int, "7")) == 7


def test_death_is_seen_by_looking(runner, guard):
    dies(guard)
    for _ in range(2):
        runner.look()
    with pytest.raises(Death):
        runner.raise_death()


def test_interruption_cancels_and_is_raised(runner):
    def interrupt():
        with contextlib.suppress(KeyboardInterrupt):
            runner.interrupt(KeyboardInterrupt("SIGTERM"))

    async def waits():
        asyncio.get_running_loop().call_soon(interrupt)
        await for_ever()

    with pytest.raises(KeyboardInterrupt, match="SIGTERM"):
        runner.run(waits())


def test_interruption_comes_before_a_death(runner, guard):
    async def waits():
        dies(guard)
        asyncio.get_running_loop().call_soon(runner.interrupt, KeyboardInterrupt("SIGTERM"))
        await for_ever()

    with pytest.raises(KeyboardInterrupt):
        runner.run(waits())


def test_interruption_is_raised_at_once_when_nothing_runs(runner):
    with pytest.raises(KeyboardInterrupt):
        runner.interrupt(KeyboardInterrupt())


def test_interruption_of_the_tests_own_code_is_raised_there(runner):
    places = []

    async def busy():
        try:
            runner.interrupt(TimeoutError("alarm"))
        except TimeoutError:
            places.append("in the test")
            raise

    with pytest.raises(TimeoutError):
        runner.run(busy())
    assert places == ["in the test"]


def test_run_that_was_torn_off_the_loop_is_ended(runner):
    """As by an exception out of a signal handler while the loop waits."""
    steps = []

    async def waits():
        try:
            asyncio.get_running_loop().call_soon(tear)
            await for_ever()
        finally:
            steps.append("ended")

    def tear():
        raise SystemExit("torn")

    with pytest.raises(SystemExit):
        runner.run(waits())
    assert steps == ["ended"]


class Resource:
    def __init__(self, fails: str = "") -> None:
        self.tasks: list[object] = []
        self.fails = fails

    async def __aenter__(self):
        self.tasks.append(asyncio.current_task())
        if self.fails == "enter":
            raise LookupError("cannot enter")
        return "entered"

    async def __aexit__(self, *_):
        self.tasks.append(asyncio.current_task())
        if self.fails == "exit":
            raise LookupError("cannot leave")


def test_kept_resource_is_entered_and_left_by_the_same_task(runner):
    resource = Resource()
    kept = runner.keep(resource)
    assert kept.value == "entered"
    kept.close()
    assert resource.tasks[0] is resource.tasks[1]


def test_kept_resource_that_cannot_be_entered_says_why(runner):
    with pytest.raises(LookupError, match="cannot enter"):
        runner.keep(Resource(fails="enter"))


def test_kept_resource_that_cannot_be_left_says_why(runner):
    kept = runner.keep(Resource(fails="exit"))
    with pytest.raises(LookupError, match="cannot leave"):
        kept.close()


def test_close_does_not_wait_for_a_task_that_does_not_end():
    made = Runner()

    async def stubborn():
        while True:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.Event().wait()

    _task = made.loop.create_task(stubborn())
    made.run(asyncio.to_thread(str))
    closing = threading.Thread(target=made.close)
    closing.start()
    closing.join(10)
    assert not closing.is_alive()
