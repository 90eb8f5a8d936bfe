"""Sessions of people who mean harm: ways out of a kernel, tried by real code and judged from outside."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from quarterdeck.client.errors import Refused
from quarterdeck.testing import escapes, targets
from shakeout.skips import Prerequisite, skip

NAMESPACES = Prerequisite(
    "namespaces", "Linux 5.12, and root or user namespaces: user.max_user_namespaces"
)


@pytest.fixture
def attacker(session):
    """A namespaced session in the hands of somebody who means harm."""
    ways = (["unshare", "-m", "-p", "-f", "-n"], ["unshare", "-U", "-r", "-m", "-p", "-f", "-n"])
    if not any(subprocess.run([*way, "true"], check=False).returncode == 0 for way in ways):
        skip(NAMESPACES)
    return session


@pytest.fixture
def bait(tmp_path):
    """Things on this machine that nobody in a kernel may reach."""
    with targets.lay(tmp_path) as laid:
        yield laid


@pytest.fixture
def victim(other_user, shakeout_runner):
    """Another user's session, with a secret in its scratch directory and one in a folder."""
    return shakeout_runner.run(targets.with_secrets(other_user))


@pytest.fixture
def target(attacker, victim, bait, observe, cluster) -> dict[str, Any]:
    """What the attacker knows of the system."""
    return targets.known(cluster, observe, attacker.id, victim=victim, bait=bait)


async def test_no_way_out_of_a_kernel(attacker, target, bait, observe):
    """Acceptance 4: every way out of the list fails. Try each from inside, look outside for what it was after."""
    assert len(target["ports"]) >= 4
    assert target["sockets"]
    processes = observe.kernel_pids(target["kernel"])
    told = {}
    for escape in escapes.ESCAPES:
        try:
            done = await attacker.execute(escapes.attempt(escape, target))
        except Refused as refusal:
            pytest.fail(f"{escape.name}: {refusal}, {(await attacker.refresh()).detail}")
        told[escape.name] = done.result or (done.error and done.error.traceback)
    assert {name: text for name, text in told.items() if "failed: " not in text[:10]} == {}
    assert bait.reached() == []
    assert observe.kernel_pids(target["kernel"])[: len(processes)] == processes
    assert harm(target) == []


def harm(target):
    """What an attacker has changed on this machine."""
    new = (
        "/usr/harm",
        "/harm",
        "/etc/ld.so.preload",
        f"{sys.prefix}/harm",
        f"{sys.base_prefix}/harm",
    )
    kept = (target["scratch_secret"], target["folder_secret"])
    return [path for path in new if Path(path).exists()] + [
        path for path in kept if Path(path).read_text() != targets.SECRET
    ]


async def test_what_is_written_in_a_kernel_belongs_to_nobody_new(attacker, observe):
    """Files of a kernel are the agent's user's on disk, whoever the kernel runs as, and none runs as its owner."""
    await attacker.execute(
        "open('file', 'w').close()\nimport os\nos.makedirs('a/b')\nos.chmod('file', 0o777)"
    )
    work = observe.scratch()[observe.kernel(attacker.id)] / "work"
    for path in (work, work / "file", work / "a" / "b"):
        assert path.stat().st_uid == os.geteuid()
        assert path.stat().st_mode & 0o6000 == 0


async def test_a_folder_swapped_while_it_is_mounted_is_mounted_itself(user, attacker, observe):
    """Mounts are of directories, not of names. Fill a folder with links outwards, swap them during the mounts of others; each sees the folder."""
    folder = await user.folders.create("swapped")
    swapping = await user.sessions.create(mounts={"data": folder})
    await swapping.reaches("RUNNING", within=10)
    await swapping.execute(
        "import os, threading\n"
        "def swap():\n"
        "    while True:\n"
        "        os.symlink('/', 'data/inner'); os.unlink('data/inner')\n"
        "        os.mkdir('data/inner'); os.rmdir('data/inner')\n"
        "threading.Thread(target=swap, daemon=True).start()"
    )
    disk = observe.trees()[folder.id].stat()
    for _ in range(5):
        other = await user.sessions.create(mounts={"data/inner": folder})
        await other.reaches("RUNNING", within=10)
        seen = await other.execute(
            "import os; s = os.stat('data/inner'); (s.st_dev, s.st_ino, os.path.exists('data/inner/usr'))"
        )
        assert seen.result == repr((disk.st_dev, disk.st_ino, False))
        await other.terminate()


async def test_a_session_says_how_well_it_is_isolated(user, attacker, observe):
    """The level is told, and a demand is the least that will do. Ask for less, the same and more than there is; look at the rows."""
    assert (await attacker.refresh()).isolation == "namespaced"
    least = await user.sessions.create(isolation="namespaced")
    await least.reaches("RUNNING", within=10)
    rows = observe.rows(
        "SELECT s.isolation AS least, k.isolation AS got FROM sessions s JOIN kernels k ON k.session_id = s.id WHERE s.id = %s",
        least.id,
    )
    assert [(row["least"], row["got"]) for row in rows] == [("namespaced", "namespaced")]
    most = await user.sessions.create(isolation="oci")
    view = await most.refresh()
    assert (view.status, view.reason) == ("PENDING", "no-isolation")
    assert view.detail.endswith("it wants oci, agents have namespaced")
    assert observe.slots_in_use(most.id) == (0, 0)
    await most.terminate(wait=10)
    with pytest.raises(Refused) as refused:
        await user.sessions.create(isolation="prayer")
    assert refused.value.field == "isolation"
