"""The first process of a kernel without namespaces, at a moment that a whole agent seldom meets."""

import asyncio
import os
import signal

from quarterdeck.agent.kernels import supervisor
from shakeout.process import linux


async def test_runner_whose_end_nobody_hears_leaves_nothing(vanished, tmp_path):
    """A zygote that is killed closes its pipes before its children are told; a runner may end in between."""
    heard, status = os.pipe()
    os.close(heard)
    told = tmp_path / "stray"
    here = os.getpid()

    def run():
        stray = os.fork()
        if stray == 0:
            signal.pause()
        told.write_text(str(stray))
        os._exit(0)

    pid = linux.fork(lambda: supervisor.main(run, status, parent=here))
    os.close(status)
    _, ended = await asyncio.to_thread(os.waitpid, pid, 0)
    await vanished(int(told.read_text()))
    assert ended == 0
