"""Messages put together from pieces, and nonsense refused."""

import json
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quarterdeck.agent.kernels import channel, messages
from quarterdeck.agent.kernels.channel import ChannelBroken

sendings = st.lists(st.dictionaries(st.text(), st.integers() | st.text()))


LONG = {"text": "x" * 2 * channel.PACKET_BYTES_MAX}


def read(reader, packets):
    return [json.loads(data) for packet in packets if (data := reader.feed(packet)) is not None]


@given(sendings)
def test_messages_come_as_they_were_sent(sent):
    packets = [packet for message in [*sent, LONG, *sent] for packet in channel.packets(message)]
    assert max(map(len, packets)) == channel.PACKET_BYTES_MAX
    assert read(channel.Reader(), packets) == [*sent, LONG, *sent]


@pytest.mark.parametrize("taken", [1, 2])
def test_whoever_takes_over_within_a_message_finds_the_next(taken):
    """The earlier agent was killed after it took, or gave, a part of a long message."""
    packets = channel.packets(LONG)
    assert len(packets) == 3
    after = channel.packets({"done": 2})
    assert read(channel.Reader(), [*packets[taken:], *after]) == [{"done": 2}]
    assert read(channel.Reader(), [*packets[:taken], *after]) == [{"done": 2}]


def test_too_long_a_message_is_refused_before_it_has_arrived():
    first, *rest = channel.packets({"text": "x" * 2 * channel.MESSAGE_BYTES_MAX})
    reader = channel.Reader()
    reader.feed(first)
    with pytest.raises(ChannelBroken):
        read(reader, rest[:-1])


@pytest.mark.parametrize(
    "data",
    [
        b"x",
        b"[]",
        b"\xff",
        b'{"said": "done"}',
        b'{"said": "else", "number": 1}',
        b'{"said": "done", "number": 1, "run": "r", "status": "bad"}',
        b'{"said": "done", "number": "1", "run": "r", "status": "ok"}',
        b'{"said": "done", "number": 1, "run": "r", "status": "ok", "result": {}}',
        b'{"said": "ask", "question": 1, "run": "r"}',
    ],
)
def test_nonsense_is_refused(data):
    with pytest.raises(ChannelBroken):
        messages.read(messages.Said, data)


def test_blocking_side_sends_and_receives_until_the_end():
    ours, theirs = channel.pair()
    with ours, theirs:
        channel.send(ours, {"code": "x" * 100_000})
        assert channel.receive(theirs) == {"code": "x" * 100_000}
        ours.shutdown(socket.SHUT_WR)
        with pytest.raises(ChannelBroken):
            channel.receive(theirs)
