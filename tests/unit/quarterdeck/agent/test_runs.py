"""The runs of a kernel by their ids: once each, in turn, remembered within bounds."""

import asyncio

import pytest

from quarterdeck.agent.kernels import messages, runs
from quarterdeck.agent.kernels.errors import (
    InputNotWanted,
    KernelBusy,
    KernelDied,
    RunConflict,
    RunForgotten,
    RunNotFound,
    TooManyWatchers,
)
from quarterdeck.agent.kernels.record import Kind
from quarterdeck.agent.kernels.runs import Run, Runs
from quarterdeck.base import tasks
from quarterdeck.wire.executions import Execute, ExecutionError, Question


def done(id_, **more):
    return messages.Done(number=1, run=id_, status="ok", **more)


def ended(all_runs, id_):
    run = all_runs.add(id_, Execute("1"))
    assert all_runs.next() is run
    all_runs.end(run, done(id_))
    return run


def test_one_runs_and_others_wait_for_their_turn():
    all_runs = Runs()
    first, second = (all_runs.add(id_, Execute("1")) for id_ in "ab")
    assert (all_runs.next(), all_runs.next()) == (first, None)
    all_runs.end(first, done("a"))
    assert all_runs.next() is second


def test_the_same_id_is_the_same_run_and_never_another():
    all_runs = Runs()
    run = all_runs.add("a", Execute("1"))
    assert all_runs.add("a", Execute("1", wait=3)) is run
    with pytest.raises(RunConflict):
        all_runs.add("a", Execute("2"))
    with pytest.raises(RunConflict):
        all_runs.add("a", Execute(command=("1",)))


def test_what_is_kept_is_bounded_and_what_ran_does_not_run_again(monkeypatch):
    monkeypatch.setattr(runs, "ENDED_RUNS_MAX", 2)
    all_runs = Runs()
    for id_ in "abc":
        ended(all_runs, id_)
    assert all_runs.find("c").ended
    with pytest.raises(RunForgotten):
        all_runs.find("a")
    with pytest.raises(RunForgotten):
        all_runs.add("a", Execute("1"))
    with pytest.raises(RunNotFound):
        all_runs.find("z")


def test_output_that_is_kept_is_bounded(monkeypatch):
    monkeypatch.setattr(runs, "ENDED_CHARACTERS_MAX", 10)
    all_runs = Runs()
    for id_ in "ab":
        run = all_runs.add(id_, Execute("1"))
        all_runs.next()
        run.write(Kind.STDOUT, "x" * 8)
        all_runs.end(run, done(id_))
    with pytest.raises(RunForgotten):
        all_runs.find("a")
    assert all_runs.find("b").report().stdout == "x" * 8


def test_too_many_that_wait_are_refused():
    all_runs = Runs()
    for number in range(runs.WAITING_RUNS_MAX):
        all_runs.add(str(number), Execute("1"))
        all_runs.next()
    with pytest.raises(KernelBusy):
        all_runs.add("more", Execute("1"))
    with pytest.raises(RunNotFound):
        all_runs.find("more")


def test_a_run_that_is_found_is_the_one_that_was_asked_for_again():
    """An agent that has started anew learns late which run it is that goes on: those who asked again get what it wrote since, and its end."""
    all_runs = Runs()
    found, asked = all_runs.resume(), all_runs.add("a", Execute("1"))
    found.write(Kind.STDOUT, "since")
    found.ask(3)
    assert all_runs.name(found, "a") is asked
    assert (asked.report().stdout, asked.report().question) == ("since", Question(3))
    all_runs.end(asked, done("a"))
    assert all_runs.next() is None
    assert all_runs.add("a", Execute("1")) is asked


def test_a_run_that_was_over_before_is_forgotten_for_good():
    all_runs = Runs()
    run = all_runs.add("a", Execute("1"))
    all_runs.next()
    all_runs.forget(run)
    assert isinstance(run.failure, RunForgotten)
    assert all_runs.current is None
    with pytest.raises(RunForgotten):
        all_runs.add("a", Execute("1"))


def test_with_the_kernel_all_runs_end():
    all_runs = Runs()
    first, second = (all_runs.add(id_, Execute("1")) for id_ in "ab")
    all_runs.next()
    first.write(Kind.STDOUT, "last words")
    all_runs.fail(KernelDied("The kernel ended: x"))
    error = ExecutionError("KernelDied", "The kernel ended: x", "")
    told = first.report()
    assert (told.status, told.stdout, told.error) == ("error", "last words", error)
    assert second.report().error == error


def test_a_question_is_answered_once():
    run = Run("a", Execute("1", stdin=True))
    with pytest.raises(InputNotWanted):
        run.answer(1)
    run.ask(1)
    assert (run.report().status, run.report().question) == ("waiting-input", Question(1))
    assert (run.answer(1), run.answer(1)) == (True, False)
    assert (run.report().status, run.report().question) == ("continued", None)
    run.ask(2)
    run.ask(0)
    with pytest.raises(InputNotWanted):
        run.answer(2)


async def test_news_wake_those_who_wait():
    run = Run("a", Execute("1"))
    loop = asyncio.get_running_loop()
    settled, news = loop.create_task(run.settled(None)), loop.create_task(run.news(0, 60))
    await tasks.pause(0)
    run.write(Kind.STDOUT, "x")
    await news
    assert not settled.done()
    run.end(done("a"))
    await settled


async def test_those_who_wait_are_not_too_many(monkeypatch):
    monkeypatch.setattr(runs, "WATCHERS_MAX", 0)
    run = Run("a", Execute("1"))
    with pytest.raises(TooManyWatchers):
        await run.news(0, 60)
    run.end(done("a"))
    await run.news(0, 60)
