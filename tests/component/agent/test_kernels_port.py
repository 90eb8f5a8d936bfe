"""What every implementation of the agent's port `Kernels` does: the fake, the dummy and the real ones."""

import asyncio

import pytest

from quarterdeck.agent.kernels.dummy import DummyKernels, Plan
from quarterdeck.agent.kernels.errors import KernelDied, KernelTerminated
from quarterdeck.base import tasks
from quarterdeck.testing.fakes.agent import FakeKernels
from quarterdeck.testing.workshops import execute


@pytest.fixture(params=["fake", "dummy", "namespaced", "contained"])
def kernels(request):
    """An implementation of the port."""
    match request.param:
        case "fake":
            return FakeKernels()
        case "dummy":
            return DummyKernels(Plan())
        case real:
            return request.getfixturevalue(real)


@pytest.fixture
def exits():
    """How the kernels of the test have ended, in order."""
    return []


async def test_a_kernel_runs_code_and_remembers_what_it_wrote(kernels, workshop, exits):
    kernel = await kernels.spawn(workshop.spec(), exits.append)
    assert kernel.pid > 0
    done = await execute(kernel, "print('out')\nx = 20\nx + 1")
    assert (done.status, done.stdout, done.result) == ("ok", "out\n", "21")
    failed = await execute(kernel, "x / 0")
    assert (failed.status, failed.error.type) == ("error", "ZeroDivisionError")
    assert kernel.logs().text == "out\n"
    assert exits == []


async def test_killing_is_told_once_and_may_be_asked_for_again(kernels, workshop, exits):
    spec = workshop.spec()
    kernel = await kernels.spawn(spec, exits.append)
    async with asyncio.TaskGroup() as group:
        for _ in range(2):
            group.create_task(kernels.kill(spec.id))
    await kernels.kill(spec.id)
    assert [str(one) for one in exits] == ["killed with all its processes"]
    with pytest.raises((KernelTerminated, KernelDied)):
        await execute(kernel, "1")


async def test_a_kernel_killed_before_it_is_ready_is_not_given_out(kernels, workshop, exits):
    spec = workshop.spec()
    if isinstance(kernels, FakeKernels):
        kernels.gate.clear()
    loop = asyncio.get_running_loop()
    making = loop.create_task(kernels.spawn(spec, exits.append))
    await tasks.pause(0)
    await kernels.kill(spec.id)
    if isinstance(kernels, FakeKernels):
        kernels.gate.set()
    with pytest.raises(KernelTerminated):
        await making
    assert len(exits) == 1


async def test_all_can_mount(kernels, namespaced):
    assert kernels.mounts or not namespaced.mounts
