"""What a zygote keeps for the next agent: how a kernel ended is told whole, until it is not wanted any more."""

import json
import os
import socket

import pytest

from quarterdeck.agent.kernels.custody import Custody


@pytest.fixture
def line():
    """A zygote's end of its line, and an agent's."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    theirs.setblocking(False)
    with ours, theirs:
        yield ours, theirs


def told(agent):
    """All that an agent is told."""
    messages: list[object] = []
    while True:
        try:
            data, given, _, _ = socket.recv_fds(agent, 2**16, 3)
        except BlockingIOError:
            return messages
        for descriptor in given:
            os.close(descriptor)
        messages.append(json.loads(data))


def test_an_end_is_told_with_its_reason_until_it_is_forgotten(line):
    zygote, agent = line
    custody = Custody()
    custody.keep("k", [os.open(os.devnull, os.O_RDONLY) for _ in range(3)])
    custody.note_first("k", 7)
    gone = custody.end("k", 9, "killed: memory limit 64 MiB")
    assert gone == {"gone": "k", "status": 9, "reason": "killed: memory limit 64 MiB"}
    for _ in range(2):
        custody.hand_over(zygote)
        assert told(agent) == [{"held": "k", "first": 7}, gone]
    custody.forget("k")
    custody.hand_over(zygote)
    assert told(agent) == []
