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
    removals.later.clear()
    await removal.run()
    assert removals.left == []


async def test_silent_agent_is_asked_once_and_holds_up_no_other():
    removals = FakeRemovals(
        left("1", "away", "http://away"), left("2", "away", "http://away"), left("3")
    )
    await KernelRemoval(removals, FakeKernels()).run()
    assert [each.kernel for each in removals.left] == ["1", "2"]
    assert removals.postponed == ["away"]


REFUSED = errors.AgentRefused("unavailable", "What the kernel left on disk cannot be removed")


async def test_kernel_that_its_agent_refuses_to_destroy_holds_up_none_beside_it():
    """One kernel's trouble is its own. Have the agent refuse the first of three; the others go in the same run, and it goes when it is tried again later."""
    removals, kernels = FakeRemovals(left("1"), left("2"), left("3")), FakeKernels()
    kernels.failures["destroy"] = [REFUSED]
    removal = KernelRemoval(removals, kernels)
    await removal.run()
    assert (removals.left, removals.postponed) == ([left("1")], [])
    assert await removals.due() == []
    removals.later.clear()
    await removal.run()
    assert removals.left == []


async def test_kernel_that_gets_no_answer_goes_behind_those_beside_it():
    """Nor does one that hangs in its agent. Have the first never answer; when the agent is asked again the second is first."""
    removals, kernels = FakeRemovals(left("1"), left("2")), FakeKernels()
    kernels.failures["destroy"] = [TimeoutError()]
    removal = KernelRemoval(removals, kernels)
    await removal.run()
    removals.postponed.clear()
    await removal.run()
    assert removals.left == [left("1")]


async def test_what_an_agent_says_of_a_kernel_that_stays_is_told_once(caplog):
    """A log that repeats itself hides the rest. Be refused twice in the same words, then in others; there are two lines, which name kernel and agent."""
    removals, kernels = FakeRemovals(left("1")), FakeKernels()
    kernels.failures["destroy"] = [REFUSED, REFUSED, errors.AgentRefused("unavailable", "Busy")]
    removal = KernelRemoval(removals, kernels)
    for _ in range(3):
        await removal.run()
        removals.later.clear()
    stays = [one for one in caplog.records if one.getMessage() == "kernel-stays"]
    assert [(one.kernel, one.agent) for one in stays] == [("1", "agent")] * 2
    assert "cannot be removed" in stays[0].error
    assert "Busy" in stays[1].error
