"""Trees that become another quota scope's: both scopes count what lies on the disk, whatever dies or comes in between."""

import asyncio
import contextlib
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from quarterdeck.base.clock import SystemClock
from quarterdeck.storage_proxy import errors
from quarterdeck.storage_proxy.model import Limits, Upload
from quarterdeck.storage_proxy.volumes import local, staging
from quarterdeck.storage_proxy.volumes.places import Places, note_scope
from quarterdeck.storage_proxy.volumes.quotas import Quotas
from quarterdeck.storage_proxy.volumes.rescoping import rescope
from quarterdeck.storage_proxy.volumes.scopes import opened
from quarterdeck.testing.volume_client import VolumeClient
from quarterdeck.wire.trees import QuotaLimits
from shakeout.waiting.until import until

TREE = "0195c0de-0000-7000-8000-000000000001"
OTHER = "0195c0de-0000-7000-8000-000000000002"
UPLOAD = "0195c0de-0000-7000-8000-000000000003"
FIRST, SECOND, THIRD = "first", "second", "third"
STEPS_MAX = 200


@dataclass
class Place:
    """A volume with a tree of three inodes in `FIRST`, and one of one inode in `SECOND`."""

    root: Path
    volume: local.LocalVolume
    tree: VolumeClient

    async def limit(self, scope, size=1 << 30, inodes=1 << 20):
        await self.volume.limit(scope, QuotaLimits(bytes=size, inodes=inodes))

    async def used(self, *scopes):
        views = [await self.volume.quota(scope) for scope in scopes]
        return [(view.bytes_used, view.inodes_used) for view in views]

    async def rescope(self, scope, turn, *, must_fit=True):
        await self.volume.rescope(TREE, scope, turn, must_fit=must_fit)

    def noted(self):
        """Whose the tree is, by the disk."""
        return (self.root / "trees" / TREE / "scope").read_text().split()[0]


@pytest.fixture
def place(tmp_path, shakeout_runner):
    root = tmp_path / "volume"
    with contextlib.closing(local.LocalVolume(root, SystemClock(), Limits())) as volume:
        place = Place(root, volume, VolumeClient(volume, TREE))
        shakeout_runner.run(_filled(place))
        yield place


async def _filled(place):
    await place.volume.create_tree(TREE, FIRST)
    await place.volume.create_tree(OTHER, SECOND)
    for scope in (FIRST, SECOND, THIRD):
        await place.limit(scope)
    await place.tree.put("a/one", bytes(1000))
    await place.tree.put("two", bytes(10))
    await VolumeClient(place.volume, OTHER).put("kept", bytes(7))


async def refused(attempt, condition):
    with pytest.raises(condition):
        await attempt


async def test_tree_counts_where_it_belongs(place):
    """What a tree holds goes with it, uploads in pieces too. Move it there and back; look at both counts and at what each lets in."""
    upload = Upload(id=UPLOAD, path=("late",), size=50, expires_at=4e9)
    await place.volume.uploads.begin(TREE, upload)
    async with place.volume.uploads.writer(TREE, UPLOAD) as writer:
        await writer.write(bytes(40))
        await writer.keep()
    assert await place.used(FIRST, SECOND) == [(1050, 4), (7, 1)]
    await place.rescope(SECOND, 1)
    assert await place.used(FIRST, SECOND) == [(0, 0), (1057, 5)]
    await place.limit(SECOND, size=1057)
    await refused(place.tree.put("more", b"x"), errors.QuotaExceeded)
    await place.rescope(FIRST, 2)
    await place.tree.put("more", b"x")
    assert await place.used(FIRST, SECOND) == [(1051, 5), (7, 1)]


@pytest.mark.parametrize("limits", [{"size": 1016}, {"inodes": 3}])
async def test_tree_that_does_not_fit_stays_where_it_is(place, limits):
    """A full scope gets no tree. Leave room for all but a byte, or for all but a file; then have it moved all the same."""
    await place.limit(SECOND, **limits)
    await refused(place.rescope(SECOND, 1), errors.QuotaExceeded)
    assert (place.noted(), await place.used(FIRST, SECOND)) == (FIRST, [(1010, 3), (7, 1)])
    await place.rescope(SECOND, 2, must_fit=False)
    assert (place.noted(), await place.used(FIRST, SECOND)) == (SECOND, [(0, 0), (1017, 4)])


async def test_request_that_comes_late_moves_nothing(place):
    """Whatever the network does, the last word counts. Move, then hear an earlier request, and the last one again."""
    await place.rescope(THIRD, 8)
    await refused(place.rescope(SECOND, 7), errors.TurnPassed)
    await place.rescope(THIRD, 8)
    used = await place.used(FIRST, SECOND, THIRD)
    assert (place.noted(), used) == (THIRD, [(0, 0), (7, 1), (1010, 3)])


async def test_tree_that_is_not_there_is_moved_nowhere(place):
    """Trees are not made by the way. Move one that was removed; nothing of it counts."""
    await place.volume.delete_tree(TREE)
    await refused(place.rescope(SECOND, 1), errors.TreeNotFound)
    assert await place.used(FIRST, SECOND) == [(0, 0), (7, 1)]
    assert not (place.root / "trees" / TREE).exists()


@pytest.mark.parametrize(("room", "left"), [(12, [(0, 0), (1029, 5)]), (11, [(0, 0), (1017, 4)])])
async def test_file_that_is_on_its_way_in_counts_where_its_tree_is_then(place, room, left):
    """Nobody's quota is passed by. Move a tree in the middle of a file: to a scope that has room for both, and to one that has not."""
    await place.limit(SECOND, size=1017 + room)

    async def blocks():
        yield bytes(12)
        await until(lambda: list(place.root.glob(f"scopes/{FIRST}/pending/*")), within=5)
        await place.rescope(SECOND, 1)

    if left[1] == (1029, 5):
        await place.volume.put(TREE, ("late",), blocks())
    else:
        await refused(place.volume.put(TREE, ("late",), blocks()), errors.QuotaExceeded)
    assert await place.used(FIRST, SECOND) == left
    assert list(place.root.glob("scopes/*/pending/*")) == []


async def test_file_of_a_scope_without_limits_counts_at_once_in_one_that_has_some(
    place, monkeypatch
):
    """Who is not counted holds no lock. Move the tree, and count, while such a file is made durable; it counts as soon as it is there."""
    free = "free"
    await place.rescope(free, 1)
    publish = staging.Staged.publish

    def late(self, parent, name):
        quotas = Quotas(Places(place.root), SystemClock())
        rescope(Places(place.root), quotas, TREE, SECOND, turn=2, must_fit=True)
        assert quotas.view(SECOND).bytes_used == 1017
        return publish(self, parent, name)

    monkeypatch.setattr(staging.Staged, "publish", late)

    async def blocks():
        yield bytes(100)

    await place.volume.put(TREE, ("late",), blocks())
    assert await place.used(free, SECOND) == [(0, 0), (1117, 5)]


def is_awaited(ledger):
    """Whether somebody waits for the lock of a scope."""
    waiting = [line for line in Path("/proc/locks").read_text().splitlines() if "->" in line]
    return any(f":{ledger.stat().st_ino} " in line for line in waiting)


async def test_change_that_waited_for_a_move_counts_in_the_new_scope(place):
    """Which scope it is is looked at once it is held. Delete a file while the scope is held by a move; look at both counts."""
    where = Places(place.root)
    async with asyncio.TaskGroup() as group:
        with Quotas(where, SystemClock()).moved(TREE, FIRST, SECOND, must_fit=True):
            group.create_task(place.tree.delete("two"))
            ledger = place.root / "scopes" / FIRST / "ledger"
            await until(lambda: is_awaited(ledger), within=5)
            with where.at("trees", TREE) as directory:
                note_scope(directory, SECOND)
    assert await place.used(FIRST, SECOND) == [(0, 0), (1007, 3)]


async def test_tree_that_goes_before_its_move_is_not_found(place):
    """What was removed is no scope's. Hold the new scope, ask for the move, remove the tree, let go."""
    earlier = "earlier"
    await place.limit(earlier)
    async with asyncio.TaskGroup() as group:
        with opened(Places(place.root), earlier):
            group.create_task(refused(place.rescope(earlier, 1), errors.TreeNotFound))
            ledger = place.root / "scopes" / earlier / "ledger"
            await until(lambda: is_awaited(ledger), within=5)
            await place.volume.delete_tree(TREE)
    assert await place.used(FIRST, earlier) == [(0, 0), (0, 0)]


async def test_writers_meet_a_tree_that_moves(place):
    """No change is counted for the wrong scope. Write, delete and move files while the tree goes to and fro; compare the counts with the disk."""
    others = VolumeClient(place.volume, OTHER)

    async def write(tree, name):
        for number in range(40):
            await tree.put(f"{name}/{number % 3}", bytes(number))
            await tree.move(f"{name}/{number % 3}", f"{name}-moved")
            await tree.delete(f"{name}-moved")

    async with asyncio.TaskGroup() as group:
        writers = [group.create_task(write(tree, "w")) for tree in (place.tree, others)]
        turn = 0
        while not all(writer.done() for writer in writers):
            turn += 1
            await place.rescope((FIRST, SECOND)[turn % 2], turn)
    await place.rescope(FIRST, turn + 1)
    assert await place.used(FIRST, SECOND) == [(1010, 4), (7, 2)]


def test_killed_at_any_step_both_scopes_are_right(place, shakeout_runner):
    """Behaviour 36: exact after a crash. SIGKILL the move of a tree at each of its steps in turn; look at the note and at both counts."""
    argv = [sys.executable, "-m", "quarterdeck.testing.volume_deaths", str(place.root), TREE]
    killed = []
    with subprocess.Popen(
        [*argv, SECOND],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={"PYTHONPATH": os.pathsep.join(sys.path)},
    ) as mover:
        assert mover.stdin
        assert mover.stdout
        for _ in range(STEPS_MAX):
            mover.stdin.write("\n")
            mover.stdin.flush()
            ended = mover.stdout.readline().strip()
            there = place.noted()
            used = shakeout_runner.run(place.used(FIRST, SECOND))
            assert dict(zip((FIRST, SECOND), used, strict=True)) == (
                {FIRST: (1010, 3), SECOND: (7, 1)}
                if there == FIRST
                else {FIRST: (0, 0), SECOND: (1017, 4)}
            )
            if ended == "exit 0":
                break
            assert ended == "killed"
            killed.append(there)
            shakeout_runner.run(place.rescope(FIRST, len(killed), must_fit=False))
        mover.stdin.close()
    assert set(killed) == {FIRST, SECOND}
    assert place.noted() == SECOND
