"""Dummy kernels: each behaviour that can be ordered, chosen by name, in place or by the seed; and what their code cannot do."""

import asyncio
import dataclasses

import pytest

from quarterdeck.agent.kernels.dummy import CHOICE, FIRST_PID, Behaviour, DummyKernels, Plan
from quarterdeck.agent.kernels.dummy_code import Namespace
from quarterdeck.agent.kernels.errors import KernelDied, KernelNotStarted, KernelTerminated
from quarterdeck.agent.kernels.spec import Exit, KernelSpec
from quarterdeck.base import tasks
from quarterdeck.testing.workshops import execute

PLAN = Plan(
    seed=3,
    behaviours={
        "fails": Behaviour(create_fails="mount-failed", share=0.5),
        "dies": Behaviour(dies_after_ms=0, exit_code=7),
        "hangs": Behaviour(destroy_hangs=True),
    },
)


@pytest.fixture
def kernels():
    return DummyKernels(PLAN)


@pytest.fixture
def exits():
    return []


def spec(choice="", **changes):
    plain = KernelSpec("k", "/nowhere", {CHOICE: choice} if choice else {}, (), (), 0)
    return dataclasses.replace(plain, **changes)


def started(work):
    return asyncio.get_running_loop().create_task(work)


async def test_a_failure_carries_its_code(kernels, exits):
    with pytest.raises(KernelNotStarted) as failed:
        await kernels.spawn(spec("fails"), exits.append)
    assert failed.value.code == "mount-failed"
    await kernels.kill("k")
    assert len(exits) == 1


async def test_a_death_is_told_with_its_code_and_refuses_code(kernels, exits):
    kernel = await kernels.spawn(spec("dies"), exits.append)
    assert kernel.pid > FIRST_PID
    while not exits:
        await tasks.pause(0)
    assert exits == [Exit(code=7)]
    with pytest.raises(KernelDied):
        await execute(kernel, "1")
    await kernels.kill("k")
    assert len(exits) == 1


async def test_a_destroy_that_hangs_ends_only_with_the_agent(kernels, exits):
    await kernels.spawn(spec("hangs"), exits.append)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await kernels.kill("k")
    assert exits == []
    await kernels.close()
    assert exits == [Exit()]


async def test_a_session_brings_its_own_behaviour(kernels, exits):
    kernel = await kernels.spawn(spec('{"execute_ms": 86400000}'), exits.append)
    running = started(execute(kernel, "1"))
    await tasks.pause(0)
    assert not running.done()
    await kernels.kill("k")
    with pytest.raises(KernelTerminated):
        await running


@pytest.mark.parametrize("choice", ["unknown", "{", '{"no_such": 1}', '{"create_ms": -1}'])
async def test_a_choice_that_is_none_is_a_failed_start(kernels, choice):
    with pytest.raises(KernelNotStarted):
        await kernels.spawn(spec(choice), print)


async def test_the_seed_chooses_the_same_again(exits):
    async def drawn():
        kernels, failed = DummyKernels(PLAN), []
        for number in range(20):
            try:
                await kernels.spawn(spec(id=str(number)), exits.append)
            except KernelNotStarted:
                failed.append(number)
        return failed

    first = await drawn()
    assert 0 < len(first) < 20
    assert await drawn() == first


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("x", "NameError"),
        ("1 / 0", "ZeroDivisionError"),
        ("'x' * 3", "TypeError"),
        ("while True: pass", "NotImplementedError"),
        ("().__class__", "NotImplementedError"),
        ("9 ** 9 ** 9", "NotImplementedError"),
        ("open('x')", "NotImplementedError"),
        ("1 +", "SyntaxError"),
    ],
)
def test_what_a_dummy_cannot_is_an_error_of_its_code(code, error):
    done = Namespace().run(f"print('before')\n{code}")
    assert (done.status, done.error and done.error.type) == ("error", error)
    assert done.stdout == ("" if error == "SyntaxError" else "before\n")


def test_names_last_and_values_show():
    namespace = Namespace()
    assert namespace.run("a = 2\nb = (a, -1)").result is None
    assert namespace.run("print(a, 'x' + 'y')\nb").result == "(2, -1)"
