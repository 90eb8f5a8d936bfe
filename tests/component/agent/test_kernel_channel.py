"""The agent's end of a control channel, with a kernel at the other that does what it likes."""

from quarterdeck.agent.kernels import channel
from quarterdeck.agent.kernels.control import OUTGOING_PACKETS_MAX, Control


async def test_a_kernel_that_reads_no_answers_is_given_up_and_told_no_more():
    """Answers wait for a kernel that asks and does not read, up to a bound: then the agent hears no more of it."""
    ours, theirs = channel.pair()
    broken: list[channel.ChannelBroken] = []
    control = Control(ours, lambda _: None, broken.append)
    for number in range(4 * OUTGOING_PACKETS_MAX):
        control.send({"shown": number})
    control.close(read=False)
    theirs.close()
    assert [str(one) for one in broken] == ["it does not read the answers"]
