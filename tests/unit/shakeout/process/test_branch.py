"""What a branch makes of a spawner's answers; the spawner's side is played by the test."""

import asyncio
import os
from pathlib import Path

import pytest

from shakeout.process import protocol
from shakeout.process.branch import Branch
from shakeout.process.spawn import Exit, Program


@pytest.fixture
def answered_at_once():
    """Start a program whose spawner tells the start and the end in one breath; gives what was heard of it."""

    async def start(program):
        ended = []
        ours, theirs = protocol.pair()
        branch = Branch("spawner", ours, lambda process: ended.append(process.exit_expected))
        try:
            async with asyncio.TaskGroup() as group:
                starting = group.create_task(branch.spawn(program, {}))
                received = await asyncio.to_thread(protocol.receive, theirs)
                request, _ = received or ({}, ())
                protocol.send(theirs, {"did": request["token"], "pid": os.getpid()})
                protocol.send(theirs, {"ended": request["child"], "status": 256})
            assert starting.result().exit == Exit(code=1)
        finally:
            branch.drop()
            theirs.close()
        return ended

    return start


@pytest.mark.parametrize("expected", [True, False])
async def test_whether_an_end_is_expected_is_known_before_the_start(answered_at_once, expected):
    here = Path("/nowhere")
    program = Program("thing", here, here / "log", argv=("true",), exit_expected=expected)
    assert await answered_at_once(program) == [expected]
