"""Sessions in containers of people who mean harm: the ways out of the list, tried by real code and judged from outside."""

from pathlib import Path

import pytest

from quarterdeck.client.errors import Refused
from quarterdeck.testing import containers, escapes, image_contents, layout, targets
from quarterdeck.testing.image_layouts import Layout
from shakeout.waiting.until import until

pytestmark = pytest.mark.needs("registry")

OWN = {
    "the programs of the host, to write",
    "this interpreter, to write",
    "settings, to write",
    "home directories",
    "root",
}
"""A container may write and list these: they are its own copies, and its root is nobody elsewhere. What became of the host's is looked at from outside."""

HOSTS = ("/usr/harm", "/harm", "/bin/harm", "/etc/ld.so.preload")


@pytest.fixture(params=["made", "waited"])
def attacker(request, hub, user, cluster, observe, shakeout_runner):
    """A session in a container in the hands of somebody who means harm: made for it, or one that has waited for whoever comes."""
    containers.required()
    if request.param == "made":
        return shakeout_runner.run(_in_image(hub, user))
    return shakeout_runner.run(_in_what_waits(hub, user, cluster, observe))


async def _in_what_waits(hub, user, cluster, observe):
    scratch = cluster.place("agent").directory / layout.SCRATCH_DIRECTORY
    before = _waiting(scratch)
    shown = await (await _in_image(hub, user)).refresh()
    await until(lambda: _waiting(scratch) - before, within=30)
    session = await user.sessions.create(image=shown.image, isolation="oci")
    await session.reaches("RUNNING", within=10)
    assert (scratch / observe.kernel(session.id) / layout.GROUP_FILE).exists()
    return session


def _waiting(scratch):
    """The containers that wait."""
    return {
        one.parent for one in (scratch / layout.WAITING_DIRECTORY).glob(f"*/{layout.GROUP_FILE}")
    }


async def _in_image(hub, user):
    shelf = Layout()
    shelf.add(image_contents.python_image(), "one")
    await hub.shelf.push("team/python", shelf)
    await hub.rescan()
    session = await user.sessions.create(image=f"{hub.name}/team/python:one", isolation="oci")
    await session.reaches("RUNNING", within=60)
    return session


@pytest.fixture
def victim(other_user, shakeout_runner):
    """Another user's session, with a secret in its scratch directory and one in a folder."""
    return shakeout_runner.run(targets.with_secrets(other_user))


async def test_no_way_out_of_a_container(attacker, victim, observe, cluster, tmp_path):
    """Acceptance 4: every way out of the list fails. Try each from inside, look outside for what it was after."""
    with targets.lay(tmp_path) as bait:
        target = targets.known(cluster, observe, attacker.id, victim=victim, bait=bait)
        processes = observe.kernel_pids(target["kernel"])
        told = {}
        for escape in escapes.ESCAPES:
            try:
                done = await attacker.execute(escapes.attempt(escape, target))
            except Refused as refusal:
                pytest.fail(f"{escape.name}: {refusal}, {(await attacker.refresh()).detail}")
            told[escape.name] = done.result or (done.error and done.error.traceback)
        through = {name: text for name, text in told.items() if "failed: " not in text[:10]}
        assert {name: text for name, text in through.items() if name not in OWN} == {}
        assert bait.reached() == []
    assert observe.kernel_pids(target["kernel"])[: len(processes)] == processes
    assert harm(cluster, target) == []


def harm(cluster, target):
    """What an attacker has changed on this machine: its files, those of others, the files of the image that all containers share."""
    kept = (target["scratch_secret"], target["folder_secret"])
    trees = cluster.place("agent").directory / "images" / "trees"
    return [
        *(path for path in HOSTS if Path(path).exists()),
        *(path for path in kept if Path(path).read_text() != targets.SECRET),
        *trees.rglob("harm"),
        *trees.rglob("ld.so.preload"),
    ]
