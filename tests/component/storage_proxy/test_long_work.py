"""Long work of one user on a real storage-proxy leaves room for everybody else."""

import asyncio
import contextlib
import fcntl
import os
import uuid

import pytest

from quarterdeck.testing import layout
from quarterdeck.testing.storage_client import Tree
from shakeout.waiting.until import until

COPIES = 24
TURNS = 2
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def other(proxy, shakeout_runner):
    """The tree of somebody else on the same volume."""
    made = Tree(proxy, layout.LOCAL_HOST, str(uuid.uuid4()))
    shakeout_runner.run(made.create())
    yield made
    shakeout_runner.run(made.delete())


@contextlib.contextmanager
def held(place):
    """Keep a directory as storage-proxies do, so that no copy of it comes further."""
    directory = os.open(place, os.O_RDONLY)
    fcntl.flock(directory, fcntl.LOCK_SH)
    try:
        yield
    finally:
        os.close(directory)


async def copy(tree, target):
    """Copy the file."""
    body = f'{{"source": "file", "target": "{target}"}}'.encode()
    return await tree.call_client("POST", "/copies", headers=JSON, body=body)


async def serve(tree):
    """Use the tree as somebody does, again and again."""
    for number in range(COPIES):
        assert (await tree.call("GET", "/file")).body == b"content"
        assert (await tree.call("PUT", f"/x{number}", body=b"x")).status == 200
        assert (await copy(tree, f"copy-{number}")).status == 201
    assert len(await tree.names()) == 2 * COPIES + 1


async def test_long_work_of_one_user_keeps_nobody_else_waiting(tree, other, disk):
    """One user's copies take turns. Hold their tree still under many copies; another user reads, writes, lists, copies; then all end."""
    place = disk / "trees" / tree.id
    for each in (tree, other):
        assert (await each.call("PUT", "/file", body=b"content")).status == 200

    def begun():
        return len(list((place / "staging").iterdir()))

    async with asyncio.TaskGroup() as group:
        with held(place / "files"):
            copies = [group.create_task(copy(tree, f"copy-{n}")) for n in range(COPIES)]
            await until(begun, within=10, satisfied=bool)
            async with asyncio.timeout(20):
                await serve(other)
            assert begun() == TURNS
    assert [task.result().status for task in copies] == [201] * COPIES
    assert len(await tree.names()) == COPIES + 1
