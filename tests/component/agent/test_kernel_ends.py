"""The end of a kernel, heard of before its last words were read: they count."""

import os
import socket

import pytest

from quarterdeck.agent.kernels import channel
from quarterdeck.agent.kernels.errors import KernelNotStarted
from quarterdeck.agent.kernels.process import Ends, KernelProcess
from quarterdeck.agent.kernels.spec import Exit


@pytest.fixture
def spoken():
    """Makes a kernel of which all is heard at once: what it has said, and its end."""

    def make(*messages):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        outputs = []
        for _ in range(2):
            read, write = os.pipe()
            os.close(write)
            outputs.append(read)
        with theirs:
            for message in messages:
                channel.send(theirs, message)
        kernel = KernelProcess("k", Ends(ours, *outputs), lambda _: None, lambda: None)
        kernel.finish(Exit(code=1))
        return kernel

    return make


async def test_why_it_could_not_be_made_is_told(spoken):
    """A refusal is the reason, not the exit that follows it. Refuse and end at once; the code and the words are there."""
    kernel = spoken({"refused": "mount-source-missing", "detail": "data: not there"})
    with pytest.raises(KernelNotStarted) as refused:
        await kernel.started()
    assert (refused.value.code, refused.value.detail) == (
        "mount-source-missing",
        "data: not there",
    )


async def test_end_without_a_word_is_told_as_it_was(spoken):
    """Who says nothing has only ended. End at once."""
    with pytest.raises(KernelNotStarted) as refused:
        await spoken().started()
    assert "exited with code 1" in refused.value.detail
