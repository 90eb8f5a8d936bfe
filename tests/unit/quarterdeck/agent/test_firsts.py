"""What the zygote takes from the nursery, which may have failed, or have given more than there is room for."""

import errno
import os
import resource
import socket

import pytest

from quarterdeck.agent.kernels.firsts import Firsts


@pytest.fixture
def nursery():
    """Firsts, and the nursery's end of their line, which has been asked."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        firsts = Firsts(ours, 0)
        assert theirs.recv(1) == b"."
        yield firsts, theirs


def test_what_could_not_be_made_is_told(nursery):
    firsts, theirs = nursery
    theirs.send(str(-errno.EAGAIN).encode())
    with pytest.raises(BlockingIOError):
        firsts.take()
    assert theirs.recv(1) == b"."


@pytest.mark.parametrize("room", [0, 1])
def test_what_there_is_no_room_for_is_left_until_there_is(nursery, room):
    """One descriptor may fit where two do not. The zygote must live on, and lose no process: nobody else could end it."""
    firsts, theirs = nursery
    socket.send_fds(theirs, [b"4711"], [0, 0])
    spare = os.open(os.devnull, os.O_RDONLY)
    os.close(spare)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (spare + room, limits[1]))
    try:
        with pytest.raises(OSError, match=os.strerror(errno.EMFILE)):
            firsts.take()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    first = firsts.take()
    os.close(first.namespace)
    os.close(first.handle)
    assert first.pid == 4711
