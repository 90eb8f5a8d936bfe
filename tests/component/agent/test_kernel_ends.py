"""The end of a kernel, heard of before its last words were read: they count."""

import asyncio
import os
import select
import socket

import pytest

from quarterdeck.agent.kernels import channel
from quarterdeck.agent.kernels.errors import KernelNotStarted
from quarterdeck.agent.kernels.forkserver import Ends
from quarterdeck.agent.kernels.process import KernelProcess
from quarterdeck.agent.kernels.spec import Exit
from quarterdeck.wire.executions import Execute


@pytest.fixture
def spoken():
    """Makes a kernel of which all is heard at once: what it has said, and its end."""

    def make(*messages, unread=None):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        outputs = []
        for _ in range(2):
            read, write = os.pipe()
            os.close(write)
            outputs.append(read)
        with theirs:
            for message in messages:
                channel.send(theirs, message)
            if unread is not None:
                channel.send(ours, unread)
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


async def test_what_was_said_counts_though_it_had_not_read_what_it_was_told(spoken):
    """The end of such a channel is an error first, and then what was said. End with a message unread; the reason is there."""
    kernel = spoken(
        {"refused": "mount-source-missing", "detail": "data: not there"}, unread={"execute": 1}
    )
    with pytest.raises(KernelNotStarted) as refused:
        await kernel.started()
    assert refused.value.code == "mount-source-missing"


async def test_end_without_a_word_is_told_as_it_was(spoken):
    """Who says nothing has only ended. End at once."""
    with pytest.raises(KernelNotStarted) as refused:
        await spoken().started()
    assert "exited with code 1" in refused.value.detail


async def test_what_is_said_while_it_is_killed_is_taken_at_its_end():
    """Each channel that ends would wake the agent. Ignore a kernel, have it write and finish a run: it is unread after a turn of the loop, and there after its end."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    (stdout, out), (stderr, err) = os.pipe(), os.pipe()
    kernel = KernelProcess("k", Ends(ours, stdout, stderr), lambda _: None, lambda: None)
    channel.send(theirs, {"started": os.getpid()})
    await kernel.started()
    run = kernel.start(Execute("1 + 1", run="r"))
    assert channel.receive(theirs)["execute"] == 1
    kernel.ignore()
    os.write(out, b"last words")
    channel.send(theirs, {"said": "done", "number": 1, "run": "r", "status": "ok", "result": "2"})
    await asyncio.to_thread(int)
    waiting = [ours.fileno(), stdout]
    assert select.select(waiting, [], [], 0)[0] == waiting
    os.close(out)
    os.close(err)
    theirs.close()
    kernel.finish(Exit(code=1))
    assert (run.report().stdout, run.report().result, kernel.logs().text) == (
        "last words",
        "2",
        "last words",
    )
