"""The fast readers of /proc behind the leak check, against real children and sockets."""

import asyncio
import os
import socket

import pytest

from shakeout.checks import subtree
from shakeout.waiting.until import until


def test_subtree_sees_a_port_of_this_process():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert port in subtree.listening([os.getpid()])[os.getpid()].values()
    assert port not in subtree.listening([os.getpid()])[os.getpid()].values()


@pytest.mark.parametrize("by_kernel", [True, False])
async def test_subtree_sees_a_child_until_it_is_dead(monkeypatch, by_kernel):
    monkeypatch.setattr(subtree, "KERNEL_TELLS_CHILDREN", by_kernel)
    child = await asyncio.create_subprocess_exec("sleep", "100")
    assert child.pid in subtree.children(os.getpid())
    assert subtree.parent(child.pid) == os.getpid()
    assert os.getpid() in subtree.ancestors(child.pid)
    child.kill()
    await until(lambda: child.pid not in subtree.children(os.getpid()), within=5)
    await child.wait()
    assert subtree.parent(child.pid) == 0
