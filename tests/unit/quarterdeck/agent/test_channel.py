"""Messages put together from pieces, and nonsense refused."""

import json
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quarterdeck.agent.kernels import channel, messages
from quarterdeck.agent.kernels.channel import ChannelBroken

sendings = st.lists(st.dictionaries(st.text(), st.integers() | st.text()))


@given(sendings, st.integers(1, 7))
def test_messages_survive_any_cutting(sent, size):
    stream = b"".join(map(channel.frame, sent))
    reader = channel.Reader()
    pieces = [stream[at : at + size] for at in range(0, len(stream), size)]
    assert [json.loads(one) for piece in pieces for one in reader.feed(piece)] == sent


def test_too_long_a_message_is_refused_before_it_has_arrived():
    with pytest.raises(ChannelBroken):
        list(channel.Reader().feed(b"\xff\xff\xff\xff"))


@pytest.mark.parametrize(
    "data",
    [
        b"x",
        b"[]",
        b"\xff",
        b'{"done": 1}',
        b'{"done": 1, "status": "bad", "result": null, "error": null, "truncated": false}',
        b'{"done": "1", "status": "ok", "result": null, "error": null, "truncated": false}',
        b'{"done": 1, "status": "ok", "result": {}, "error": null, "truncated": false}',
    ],
)
def test_nonsense_is_refused(data):
    with pytest.raises(ChannelBroken):
        messages.read(messages.Done, data)


def test_blocking_side_sends_and_receives_until_the_end():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        channel.send(ours, {"code": "x" * 100_000})
        assert channel.receive(theirs) == {"code": "x" * 100_000}
        ours.shutdown(socket.SHUT_WR)
        with pytest.raises(ChannelBroken):
            channel.receive(theirs)
