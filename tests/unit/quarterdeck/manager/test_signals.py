"""Signals: what a change here wakes here, what an event of others wakes, and that echoes wake nothing."""

from quarterdeck.manager.signals import Signals
from quarterdeck.wire.events import Event, EventKind


class Stream:
    """A stream that gives these events and keeps what is published."""

    def __init__(self, *events):
        self.events, self.published = events, []

    def publish(self, event):
        self.published.append(event)

    async def wakes(self):
        for event in self.events:
            yield event


async def ignore(kernel):
    del kernel


async def rings(wake):
    return await wake.wait(0)


async def heard(stream):
    signals, kernels = Signals(stream), []

    async def kernel_changed(kernel):
        kernels.append(kernel)

    await signals.listen(kernel_changed)
    return signals, kernels


async def test_created_session_wakes_the_scheduler_here_and_is_published():
    stream = Stream()
    signals = Signals(stream)
    signals.created("s")
    assert await rings(signals.scheduling)
    assert stream.published == [Event(EventKind.SESSION, "s")]


async def test_session_changed_elsewhere_wakes_the_scheduler():
    signals, _ = await heard(Stream(Event(EventKind.SESSION, "s")))
    assert await rings(signals.scheduling)


async def test_echo_of_an_own_event_wakes_nothing():
    stream = Stream(Event(EventKind.SESSION, "s"))
    signals = Signals(stream)
    signals.freed("s")
    assert await rings(signals.scheduling)
    await signals.listen(ignore)
    assert not await rings(signals.scheduling)


async def test_end_of_a_session_wakes_the_scheduler_only_if_somebody_may_wait():
    """What nobody waits for wakes nobody. End one after a look that saw nobody, then again after each way to hear of one."""
    for hear in (
        lambda signals: signals.created("t"),
        lambda signals: signals.freed("t"),
        lambda signals: heard_by(signals, Event(EventKind.SESSION, "u")),
        lambda signals: heard_by(signals, None),
    ):
        stream = Stream()
        signals = Signals(stream)
        signals.queue.looked(signals.queue.heard, empty=True)
        signals.ended("s")
        assert not await rings(signals.scheduling)
        assert stream.published == []
        if (listening := hear(signals)) is not None:
            await listening
        await rings(signals.scheduling)
        signals.ended("s")
        assert await rings(signals.scheduling)
        assert Event(EventKind.SESSION, "s") in stream.published


def heard_by(signals, event):
    signals._stream.events = (event,)
    return signals.listen(ignore)


async def test_kernel_event_names_the_kernel():
    signals, kernels = await heard(Stream(Event(EventKind.KERNEL, "k")))
    assert kernels == ["k"]
    assert not await rings(signals.scheduling)


async def test_agent_event_wakes_the_registry():
    signals, _ = await heard(Stream(Event(EventKind.AGENT, "a")))
    assert await rings(signals.registry)


async def test_lost_contact_wakes_everything():
    signals, _ = await heard(Stream(None))
    for wake in (signals.scheduling, signals.registry, signals.everything):
        assert await rings(wake)


async def test_changed_agents_may_have_room():
    signals = Signals(Stream())
    signals.agents_changed(["a"])
    assert await rings(signals.scheduling)
