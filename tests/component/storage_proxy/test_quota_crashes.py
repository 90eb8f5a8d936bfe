"""Quotas and processes that die: two at once on one volume, killed at random moments; the count is what lies on the disk."""

import contextlib
import os
import subprocess
import sys

import pytest

from quarterdeck.base.clock import SystemClock
from quarterdeck.storage_proxy.model import Limits
from quarterdeck.storage_proxy.volumes import local
from quarterdeck.testing.volume_client import VolumeClient
from quarterdeck.wire.trees import QuotaLimits
from shakeout.waiting.until import until

TREE = "0195c0de-0000-7000-8000-000000000001"
SCOPE = "somebody"
BYTES_MAX, INODES_MAX = 60_000, 25
DEATHS = 6


def on_disk(root):
    """Bytes and inodes of the tree, by a walk of our own."""
    seen = list((root / "trees" / TREE / "files").rglob("*"))
    return sum(path.stat().st_size for path in seen if path.is_file()), len(seen)


@contextlib.contextmanager
def storm(root, log, seed):
    """A process at work on the volume."""
    argv = [sys.executable, "-m", "quarterdeck.testing.volume_storm", str(root), TREE, str(seed)]
    with log.open("wb") as output:
        process = subprocess.Popen(
            argv, stdout=output, env={"PYTHONPATH": os.pathsep.join(sys.path)}
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()


async def struck(root, logs, rng):
    """Let two processes work for a while, then kill both."""
    wanted = rng.randrange(50, 400)

    def progress():
        return min(log.stat().st_size // 2 for log in logs)

    with storm(root, logs[0], rng.random()), storm(root, logs[1], rng.random()):
        await until(progress, within=120, satisfied=lambda seen: seen >= wanted)


@pytest.fixture
def root(tmp_path):
    return tmp_path / "volume"


@pytest.fixture
def volume(root, shakeout_runner):
    with contextlib.closing(local.LocalVolume(root, SystemClock(), Limits())) as volume:
        shakeout_runner.run(volume.create_tree(TREE, SCOPE))
        limits = QuotaLimits(bytes=BYTES_MAX, inodes=INODES_MAX)
        shakeout_runner.run(volume.limit(SCOPE, limits))
        yield volume


async def test_count_is_what_lies_on_the_disk_after_every_death(volume, root, tmp_path, rng):
    """Behaviour 36: exact after a crash. SIGKILL two writing processes again and again; compare count and disk each time."""
    for death in range(DEATHS):
        await struck(root, [tmp_path / f"{death}-{number}.log" for number in range(2)], rng)
        view = await volume.quota(SCOPE)
        assert (view.bytes_used, view.inodes_used) == on_disk(root)
        assert view.bytes_used <= BYTES_MAX
        assert view.inodes_used <= INODES_MAX
        assert list(root.glob(f"scopes/{SCOPE}/pending/*")) == []


async def test_whole_quota_is_free_again_after_deaths(volume, root, tmp_path, rng):
    """Nothing of the dead takes room. Kill writers, delete what they wrote, fill the quota to the last byte."""
    tree = VolumeClient(volume, TREE)
    await struck(root, [tmp_path / "0.log", tmp_path / "1.log"], rng)
    for entry in await volume.entries(TREE, (), recursive=False):
        await tree.delete(entry.path)
    await tree.put("last", bytes(BYTES_MAX))
    assert list(root.glob("trees/*/staging/*")) == []
    assert on_disk(root) == (BYTES_MAX, 1)
