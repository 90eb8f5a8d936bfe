"""Sessions in images: pulled from a registry, run in containers; a pull that fails ends the session in words and frees what it held."""

import asyncio
import os
from pathlib import Path

import pytest

from quarterdeck.base.errors import QuarterdeckError
from quarterdeck.client.errors import SessionEnded
from quarterdeck.testing import containers, image_contents
from quarterdeck.testing.image_layers import Layer
from quarterdeck.testing.image_layouts import Layout
from shakeout.process import procfs

pytestmark = pytest.mark.needs("registry")


@pytest.fixture(autouse=True)
def runc():
    """What containers need of the machine."""
    containers.required()


@pytest.fixture
def offer(hub):
    """Offer an image under a name of this test, and return the name and what the registry has."""

    async def act(make=image_contents.shell_image, **config):
        layout = Layout()
        layout.add(
            make(Layer(gzipped=True).file("etc/unique", os.urandom(16).hex()), **config), "one"
        )
        await hub.shelf.push("team/tool", layout)
        await hub.rescan()
        found = (await hub.images())["team/tool:one"]
        return found.name, layout

    return act


def root_of(pid, *_):
    """What kind of file system a process has as its root."""
    first = Path(f"/proc/{pid}/mountinfo").read_text().splitlines()[0]
    return first.split(" - ")[1].split()[0]


async def ended(session):
    """Wait for the end and return what is seen of it."""
    await session.reaches("TERMINATED", within=30)
    return await session.refresh()


async def states(session):
    """The states that a session has been in, in their order."""
    return [row.to_status for row in await session.history() if row.kernel is None]


async def test_session_runs_in_an_image_that_is_pulled_for_it(user, offer, observe):
    """Behaviour 2: an image that is not there is pulled first. Create, execute, end; the next session of the image does not pull."""
    name, _ = await offer(image_contents.python_image, Env=["GREETING=hello"])
    session = await user.sessions.create(image=name)
    await session.reaches("RUNNING", within=60)
    done = await session.execute(
        "import os\nprint(os.environ['GREETING'])\nos.getcwd(), os.getuid()"
    )
    assert (done.stdout, done.result) == ("hello\n", "('/work', 0)")
    assert await states(session) == ["PENDING", "SCHEDULED", "PULLING", "CREATING", "RUNNING"]
    assert root_of(*observe.kernel_pids(observe.kernel(session.id))) == "overlay"
    second = await user.sessions.create(image=name)
    await second.reaches("RUNNING", within=30)
    assert "PULLING" not in await states(second)
    for one in (session, second):
        await one.terminate()
        await one.reaches("TERMINATED", within=10)
        assert observe.slots_in_use(one.id) == (0, 0)
        assert observe.live_kernels(one.id) == []


async def test_session_in_a_shells_image_runs_pieces_of_shell(user, offer):
    """A runtime is a label of the image. Run pieces of code in one shell; variables stay, exit codes are told, output is apart."""
    name, _ = await offer()
    session = await user.sessions.create(image=name)
    await session.reaches("RUNNING", within=30)
    await session.execute("cd /tmp; x=41")
    done = await session.execute("pwd; echo $((x + 1)); echo err >&2; false")
    assert (done.stdout, done.stderr, done.exit_code) == ("/tmp\n42\n", "err\n", 1)


async def test_command_in_an_image_is_a_batch_session(user, offer, observe):
    """Behaviour 5, in an image: the exit code of a command of the image's files is the session's result."""
    name, _ = await offer()
    session = await user.sessions.create(
        image=name, type="batch", command=["sh", "-c", "cat /etc/unique; exit 3"]
    )
    view = await ended(session)
    assert (view.result, view.exit_code, view.reason) == ("FAILURE", 3, "task-failed")
    assert observe.slots_in_use(session.id) == (0, 0)


async def test_folders_are_there_in_a_container(user, offer, observe):
    """A folder is the same in an image. Write a file in a container; it is in the folder, and the agent's user's on disk."""
    name, _ = await offer(image_contents.python_image)
    folder = await user.folders.create("data")
    session = await user.sessions.create(image=name, mounts={"in/data": folder})
    await session.reaches("RUNNING", within=60)
    await session.execute("open('in/data/new', 'w').write('written')")
    assert observe.content(folder.id) == {"new": b"written"}
    assert (observe.trees()[folder.id] / "new").stat().st_uid == os.geteuid()


async def test_corrupt_layer_ends_the_session_in_words_and_frees_its_slots(
    user, offer, hub, observe
):
    """#5621, behaviour 63: a failed pull frees slots and says why. Damage a layer in the registry; look at words, slots, agents."""
    name, layout = await offer()
    (image,) = layout.tags.values()
    damaged = layout.manifest(image)["layers"][-1]["digest"]
    path = hub.shelf.blob(damaged)
    path.write_bytes(bytes(path.stat().st_size))
    session = await user.sessions.create(image=name)
    with pytest.raises(SessionEnded):
        await session.reaches("RUNNING", within=30)
    view = await ended(session)
    assert damaged in view.detail
    assert "CREATING" not in await states(session)
    assert observe.slots_in_use(session.id) == (0, 0)
    assert observe.live_kernels(session.id) == []


async def test_image_that_is_gone_from_the_registry_ends_the_session_in_words(
    user, offer, hub, observe
):
    """#5621: what cannot be pulled keeps no slots. Remove the repository after it was looked at; the session ends and says so."""
    name, _ = await offer()
    hub.shelf.remove("team/tool")
    session = await user.sessions.create(image=name)
    view = await ended(session)
    assert "team/tool" in view.detail
    assert observe.slots_in_use(session.id) == (0, 0)


async def test_memory_bomb_in_a_container_is_told_its_limit(user, offer, observe):
    """Acceptance 4, in an image: what takes all memory ends its own session alone, with the limit in words."""
    name, _ = await offer(image_contents.python_image)
    session = await user.sessions.create(image=name, slots={"cpu": 1, "memory_mib": 128})
    await session.reaches("RUNNING", within=60)
    with pytest.raises(QuarterdeckError):
        await session.execute("x = bytearray(b'1') * 2**29")
    assert "killed: memory limit 128 MiB" in (await ended(session)).detail
    assert observe.slots_in_use(session.id) == (0, 0)


DISK_FILLER = """
import time
for place in ("/filled", "/tmp/filled", "/work/filled"):
    with open(place, "wb", 0) as file:
        for _ in range(32): file.write(bytes(2**20))
time.sleep(60)
"""
SHELL_DISK_FILLER = "for n in 1 2 3; do head -c 33554432 /dev/zero > /filled$n; done; sleep 60"
OUTPUT_FLOOD = """
import os
for _ in range(300): os.write(1, b"x" * 2**20)
"""
SHELL_OUTPUT_FLOOD = "head -c 314572800 /dev/zero | tr '\\0' x"
AGENT_GROWTH_BYTES_MAX = 64 * 2**20
RUNTIMES = {"python": image_contents.python_image, "shell": image_contents.shell_image}


def resident(pid):
    """The memory of a process."""
    seen = procfs.stat(pid)
    assert seen is not None
    return seen.resident_bytes


@pytest.mark.parametrize(
    ("runtime", "code"),
    [("python", DISK_FILLER), ("shell", SHELL_DISK_FILLER)],
    ids=RUNTIMES,
)
async def test_disk_filler_in_a_container_ends_its_own_session(
    user, session, offer, observe, *, runtime, code
):
    """Acceptance 4, in an image: what fills the disk, be it in the image's own directories, ends its own session alone, with the limit in words."""
    name, _ = await offer(RUNTIMES[runtime])
    attacker = await user.sessions.create(image=name, limits={"disk_mib": 48})
    await attacker.reaches("RUNNING", within=60)
    with pytest.raises(QuarterdeckError):
        await attacker.execute(code)
    assert "killed: disk limit 48 MiB" in (await ended(attacker)).detail
    assert observe.slots_in_use(attacker.id) == (0, 0)
    assert observe.live_kernels(attacker.id) == []
    assert (await session.execute("6 * 7")).result == "42"


@pytest.mark.parametrize(
    ("runtime", "code"),
    [("python", OUTPUT_FLOOD), ("shell", SHELL_OUTPUT_FLOOD)],
    ids=RUNTIMES,
)
async def test_output_flood_in_a_container_is_bounded_and_the_session_goes_on(
    user, session, offer, cluster, *, runtime, code
):
    """Acceptance 4, in an image: a flood of output fills nobody's memory. 300 MiB beside another session, which answers; the agent does not grow."""
    name, _ = await offer(RUNTIMES[runtime])
    attacker = await user.sessions.create(image=name)
    await attacker.reaches("RUNNING", within=60)
    before = resident(cluster.process("agent").pid)
    async with asyncio.TaskGroup() as group:
        flood = group.create_task(attacker.execute(code))
        for _ in range(5):
            assert (await session.execute("6 * 7")).result == "42"
    assert (flood.result().status, flood.result().written) == ("ok", 300 * 2**20)
    assert flood.result().truncated
    assert resident(cluster.process("agent").pid) - before < AGENT_GROWTH_BYTES_MAX
    assert len((await attacker.logs()).encode()) <= 2**21


@pytest.mark.parametrize(
    ("runtime", "leave", "look", "seen"),
    [
        (
            "python",
            "x = 1\nopen('kept', 'w').write('1')\nopen('/etc/kept', 'w').write('2')",
            "print(open('kept').read(), open('/etc/kept').read(), 'x' in globals())",
            "1 2 False\n",
        ),
        (
            "shell",
            "x=1; echo 1 > kept; echo 2 > /etc/kept",
            "echo $(cat kept) $(cat /etc/kept) [$x]",
            "1 2 []\n",
        ),
    ],
    ids=RUNTIMES,
)
async def test_container_is_restarted_in_its_place(
    user, offer, observe, *, runtime, leave, look, seen
):
    """Complaint #3283, in an image: a restarted session works. Restart it twice; files stay, variables go, limits hold, and the end leaves nothing."""
    name, _ = await offer(RUNTIMES[runtime])
    folder = await user.folders.create("data")
    session = await user.sessions.create(
        image=name, mounts={"input": folder}, slots={"cpu": 1, "memory_mib": 128}
    )
    await session.reaches("RUNNING", within=60)
    await session.execute(leave)
    kernel, past = observe.kernel(session.id), observe.history(session.id)
    for _ in range(2):
        old = observe.kernel_pids(kernel)
        await session.restart()
        await session.reaches("RUNNING", within=30)
        past += [("RUNNING", "RESTARTING"), ("RESTARTING", "RUNNING")]
        assert observe.history(session.id) == past
        assert (await session.execute(look)).stdout == seen
        new = observe.kernel_pids(kernel)
        assert len(new) == 1
        assert not set(old) & set(new)
        assert root_of(*new) == "overlay"
        assert observe.slots_in_use(session.id) == (1, 128)
    (observe.trees()[folder.id] / "given").write_text("3")
    read = (
        "print(open('input/given').read())" if runtime == "python" else "echo $(cat input/given)"
    )
    assert (await session.execute(read)).stdout == "3\n"
    await session.terminate()
    await session.reaches("TERMINATED", within=10)
    assert observe.live_kernels(session.id) == []
    assert observe.slots_in_use(session.id) == (0, 0)


async def test_limits_of_a_restarted_container_are_those_that_it_had(user, offer):
    """A restart widens nothing: memory beyond the limit ends the session with the words, and not with those of its earlier life."""
    name, _ = await offer(image_contents.python_image)
    session = await user.sessions.create(image=name, slots={"cpu": 1, "memory_mib": 128})
    await session.reaches("RUNNING", within=60)
    await session.restart()
    await session.reaches("RUNNING", within=30)
    with pytest.raises(QuarterdeckError):
        await session.execute("x = bytearray(b'1') * 2**29")
    assert "killed: memory limit 128 MiB" in (await ended(session)).detail
