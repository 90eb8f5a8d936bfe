"""Kernels that are left, over fakes: destroyed until they are gone, and no silent agent holds up another."""

from quarterdeck.manager.sessions import errors
from quarterdeck.manager.sessions.removal_ports import Removal
from quarterdeck.manager.sessions.removals import KernelRemoval
from quarterdeck.testing.fakes.manager import ADDRESS, FakeKernels
from quarterdeck.testing.fakes.removals import FakeRemovals


def left(kernel, agent="agent", address=ADDRESS):
    return Removal(kernel, agent, address)


async def test_what_is_left_is_destroyed_and_forgotten():
    removals, kernels = FakeRemovals(left("1"), left("2")), FakeKernels()
    await KernelRemoval(removals, kernels).run()
    assert kernels.calls == [("destroy", "1"), ("destroy", "2")]
    assert removals.left == []


async def test_kernel_whose_end_is_not_sure_is_asked_for_again():
    removals, kernels = FakeRemovals(left("1")), FakeKernels()
    kernels.failures["destroy"] = [errors.AgentUnsure()]
    removal = KernelRemoval(removals, kernels)
    await removal.run()
    assert removals.left == [left("1")]
    removals.postponed.clear()
    await removal.run()
    assert removals.left == []


async def test_silent_agent_is_asked_once_and_holds_up_no_other():
    removals = FakeRemovals(
        left("1", "away", "http://away"), left("2", "away", "http://away"), left("3")
    )
    await KernelRemoval(removals, FakeKernels()).run()
    assert [each.kernel for each in removals.left] == ["1", "2"]
    assert removals.postponed == ["away"]
