"""Kernels in images by an agent's API: refused until the image is here, adopted by the agent's next life, and never is anything of them left."""

import asyncio
import contextlib
import os
import signal
from pathlib import Path

import pytest

from quarterdeck.agent.app import WAITING_DIRECTORY
from quarterdeck.agent.kernels.oci import cgroups, pool
from quarterdeck.agent.kernels.oci.container import GROUP_FILE
from quarterdeck.base import ids
from quarterdeck.base.clock import SystemClock
from quarterdeck.testing import containers, image_contents, layout
from quarterdeck.testing import system as quarterdeck_system
from quarterdeck.testing.agent_client import Agent
from quarterdeck.testing.fakes.registry_http import REPOSITORY, StubRegistry
from quarterdeck.testing.image_layouts import Layout
from quarterdeck.wire.agents import ImagePull
from quarterdeck.wire.executions import Execute, Execution, Interrupt
from quarterdeck.wire.sessions import Slots
from shakeout.process import procfs
from shakeout.waiting.until import until

MARK = "QD_KERNEL_ID"
GROUPS = Path("/sys/fs/cgroup")


@pytest.fixture
def registry(shakeout_runner):
    """A registry in this process."""
    containers.required()
    kept = shakeout_runner.keep(StubRegistry(Layout()).serving())
    yield kept.value
    kept.close()


async def pulled(agent, registry, image):
    """Have an image pulled and return its digest."""
    digest = registry.layout.add(image)
    source = ImagePull(registry=registry.url, repository=REPOSITORY)

    async def look():
        return (await agent.pull(digest, source)).status == "READY"

    await until(look, within=30)
    return digest


@contextlib.asynccontextmanager
async def talking_to(cluster):
    """A client of the cluster's agent that cleans nothing up."""
    async with Agent.open(cluster.address("agent.http"), quarterdeck_system.keys.agent) as agent:
        yield agent
        agent.forget()


def remains(cluster, *kernels):
    """What there is of kernels in containers: control groups, directories, mounts, processes. Those that wait for kernels are none."""
    scratch = cluster.place("agent").directory / layout.SCRATCH_DIRECTORY
    found = [one for one in GROUPS.glob(f"*/{cgroups.of_agent(scratch)}/*") if one.is_dir()]
    groups = [str(one) for one in found if not (scratch / WAITING_DIRECTORY / one.name).is_dir()]
    directories = [one.name for one in scratch.iterdir() if not one.name.startswith(".")]
    mounts = [
        line
        for line in Path("/proc/self/mountinfo").read_text().splitlines()
        if str(scratch) in line
    ]
    inside = [pid for one in kernels for pid in procfs.marked(MARK, one)]
    return groups, directories, mounts, inside


def zygote_of_containers(agent):
    """The pid of the process of an agent that forks containers."""
    (found,) = [
        one
        for one in procfs.children(agent)
        if b"kernels.oci.server" in Path(f"/proc/{one}/cmdline").read_bytes()
    ]
    return found


NOTHING: tuple[list[str], list[str], list[str], list[int]] = ([], [], [], [])


async def test_a_kernel_in_an_image_from_pull_to_end(agent, registry, cluster):
    kernel = ids.new(SystemClock())
    image = image_contents.python_image(Env=["GREETING=hello"])
    digest = registry.layout.add(image)
    early = await agent.put(kernel, agent.request(image="deck/tool:1", digest=digest))
    assert (early.status, early.code, early.field) == (409, "image-not-here", "digest")
    assert await pulled(agent, registry, image) == digest
    made = await agent.make(image="deck/tool:1", digest=digest, isolation="oci")
    assert (made.status, made.isolation) == ("RUNNING", "oci")
    done = await agent.execute(made.id, "import os\nprint(os.environ['GREETING'])\nos.getcwd()")
    assert (done.stdout, done.result) == ("hello\n", "'/work'")
    assert (await agent.destroy(made.id)).status == 204
    assert remains(cluster, made.id) == NOTHING


@pytest.mark.parametrize("how", ["stopped", "killed"])
async def test_containers_go_on_in_the_next_life(private_cluster, registry, how):
    """Variables, pid and limits of a container are the same after the agent's end and return."""
    async with talking_to(private_cluster) as agent:
        digest = await pulled(agent, registry, image_contents.python_image())
        kernel = await agent.make(digest=digest, slots=Slots(1, 64))
        await agent.execute(kernel.id, "x = 41")
        if how == "stopped":
            private_cluster.process("agent").expect_exit()
            assert (await private_cluster.process("agent").stop(5)).code == 0
        else:
            await private_cluster.kill("agent")
    await private_cluster.start("agent")
    async with talking_to(private_cluster) as agent:
        adopted = await agent.show(kernel.id)
        assert (adopted.status, adopted.pid, adopted.isolation) == ("RUNNING", kernel.pid, "oci")
        assert (await agent.execute(kernel.id, "x + 1")).result == "42"
        died = await agent.run(kernel.id, "y = b'1' * (200 * 2**20)")
        assert b"killed: memory limit 64 MiB" in died.body
        assert (await agent.show(kernel.id)).reason == "killed: memory limit 64 MiB"
        await agent.destroy(kernel.id)
    assert remains(private_cluster, kernel.id) == NOTHING


WAITING = {
    "python": (
        "import os, time\nwith open('log', 'a') as log: log.write('begun\\n')\n"
        "while not os.path.exists('go'): time.sleep(0.01)\nprint('late')"
    ),
    "shell": "echo begun >> log; until [ -e go ]; do sleep 0.01; done; echo late",
}
"""By runtime: code that says when it begins, and ends when it may."""


@pytest.mark.parametrize("runtime", WAITING)
async def test_a_run_asked_for_again_in_the_next_life_is_the_same_run(
    private_cluster, registry, runtime
):
    """The same id runs nothing again. Kill the agent while code runs in a container; ask again; let the code end; ask once more."""
    images = {"python": image_contents.python_image, "shell": image_contents.shell_image}
    run, code = ids.new(SystemClock()), WAITING[runtime]
    async with talking_to(private_cluster) as agent:
        digest = await pulled(agent, registry, images[runtime]())
        kernel = (await agent.make(digest=digest)).id
        work = (
            private_cluster.place("agent").directory / layout.SCRATCH_DIRECTORY / kernel / "work"
        )
        await agent.run(kernel, Execute(code, wait=0), run)
        await until((work / "log").exists, within=10)
        await private_cluster.kill("agent")
    await private_cluster.start("agent")
    async with talking_to(private_cluster) as agent:
        again = agent.read(Execution, await agent.run(kernel, Execute(code, wait=0), run))
        assert again.status == "continued"
        (work / "go").touch()
        done = agent.read(Execution, await agent.run(kernel, code, run))
        assert (done.status, done.stdout, done.truncated) == ("ok", "late\n", True)
        assert (work / "log").read_text() == "begun\n"
        await agent.destroy(kernel)


@pytest.mark.parametrize("runtime", WAITING)
async def test_a_run_is_interrupted_by_its_id_in_the_next_life(private_cluster, registry, runtime):
    """The next agent knows what runs. Kill the agent while code waits for what never comes; interrupt it by its id; the kernel runs something else."""
    images = {"python": image_contents.python_image, "shell": image_contents.shell_image}
    run, code = ids.new(SystemClock()), WAITING[runtime]
    async with talking_to(private_cluster) as agent:
        digest = await pulled(agent, registry, images[runtime]())
        kernel = (await agent.make(digest=digest)).id
        work = (
            private_cluster.place("agent").directory / layout.SCRATCH_DIRECTORY / kernel / "work"
        )
        await agent.run(kernel, Execute(code, wait=0), run)
        await until((work / "log").exists, within=10)
        await private_cluster.kill("agent")
    await private_cluster.start("agent")
    async with talking_to(private_cluster) as agent:
        assert (await agent.look(kernel, run)).status == "continued"
        assert (await agent.post(kernel, "interrupt", Interrupt(run))).status == 204
        other = await agent.run(
            kernel, Execute("print(6 * 7)" if runtime == "python" else "echo 42")
        )
        assert agent.read(Execution, other).stdout == "42\n"
        assert (await agent.look(kernel, run)).status == "error"
        await agent.destroy(kernel)


@pytest.mark.parametrize("runtime", WAITING)
async def test_a_run_whose_outcome_an_earlier_life_took_is_forgotten_not_run_again(
    private_cluster, registry, runtime
):
    """What came of it cannot be known any more, and is said so. Kill the agent after a run has ended; ask for the run again."""
    images = {"python": image_contents.python_image, "shell": image_contents.shell_image}
    run, code = ids.new(SystemClock()), WAITING[runtime]
    async with talking_to(private_cluster) as agent:
        digest = await pulled(agent, registry, images[runtime]())
        kernel = (await agent.make(digest=digest)).id
        work = (
            private_cluster.place("agent").directory / layout.SCRATCH_DIRECTORY / kernel / "work"
        )
        work.joinpath("go").touch()
        assert agent.read(Execution, await agent.run(kernel, code, run)).stdout == "late\n"
        await private_cluster.kill("agent")
    await private_cluster.start("agent")
    async with talking_to(private_cluster) as agent:
        for _ in range(2):
            refused = await agent.run(kernel, code, run)
            assert (refused.status, refused.code) == (410, "run-forgotten")
        assert (work / "log").read_text() == "begun\n"
        await agent.destroy(kernel)


async def test_the_death_of_their_zygote_ends_containers_only(private_cluster, registry):
    async with talking_to(private_cluster) as agent:
        digest = await pulled(agent, registry, image_contents.shell_image())
        plain, contained = await agent.make(), await agent.make(digest=digest)
        zygote = zygote_of_containers(private_cluster.process("agent").pid)
        os.kill(zygote, signal.SIGKILL)

        async def ended():
            return (await agent.show(contained.id)).status == "TERMINATED"

        await until(ended, within=5)
        assert (await agent.execute(plain.id, "6 * 7")).result == "42"
        other = await agent.make(digest=digest)
        assert (await agent.execute(other.id, "echo again")).stdout == "again\n"
        for kernel in (plain, contained, other):
            await agent.destroy(kernel.id)
    assert remains(private_cluster, contained.id, other.id) == NOTHING


@pytest.mark.parametrize("sign", ["bundle", "runc/kernel", "given/pid"])
async def test_an_agent_killed_while_it_makes_a_container_leaves_nothing(
    private_cluster, registry, sign
):
    scratch = private_cluster.place("agent").directory / layout.SCRATCH_DIRECTORY
    kernel = ids.new(SystemClock())
    async with talking_to(private_cluster) as agent:
        digest = await pulled(agent, registry, image_contents.shell_image())
        first = await agent.make(digest=digest)
        await agent.destroy(first.id)

        async def ask():
            with contextlib.suppress(OSError):
                await agent.put(kernel, agent.request(digest=digest))

        async with asyncio.TaskGroup() as group:
            group.create_task(ask())
            await until((scratch / kernel / sign).exists, within=10)
            await private_cluster.kill("agent")
    await private_cluster.start("agent")
    async with talking_to(private_cluster) as agent:
        await agent.destroy(kernel)
        await until(
            lambda: remains(private_cluster, kernel),
            satisfied=lambda seen: seen == NOTHING,
            within=5,
        )
        assert await agent.inventory() == {}


@pytest.mark.parametrize("sign", ["", "bundle", "runc/kernel", "given/pid"])
async def test_kernels_destroyed_while_they_are_made_leave_nothing(
    agent, registry, cluster, scratch, sign
):
    """Destroy ten kernels, each as soon as there is some part of it; every one is refused or ends, and nothing is left."""
    digest = await pulled(agent, registry, image_contents.shell_image())
    kernels = [ids.new(SystemClock()) for _ in range(10)]
    for kernel in kernels:
        async with asyncio.TaskGroup() as group:
            asked = group.create_task(agent.put(kernel, agent.request(digest=digest)))
            await until((scratch / kernel / sign if sign else scratch).exists, within=10)
            assert (await agent.destroy(kernel)).status == 204
        assert asked.result().code in {None, "kernel-terminated"}
    assert remains(cluster, *kernels) == NOTHING
    assert not await agent.inventory()


async def waited_for(agent, cluster, digest):
    """Have containers wait, and return a kernel that one of them has become, what waits, and the groups of all."""
    scratch = cluster.place("agent").directory / layout.SCRATCH_DIRECTORY
    waiting = scratch / WAITING_DIRECTORY
    first = await agent.make(digest=digest)
    await agent.destroy(first.id)
    await until(lambda: list(waiting.glob(f"*/{GROUP_FILE}")), within=20)
    kernel = await agent.make(digest=digest, slots=Slots(1, 64))
    assert (scratch / kernel.id / GROUP_FILE).exists()
    await until(
        lambda: list(waiting.glob(f"*/{GROUP_FILE}")),
        satisfied=lambda seen: len(seen) == pool.EACH_MAX,
        within=20,
    )
    pids = [int(path.read_text()) for path in waiting.glob("*/given/pid")]
    assert len(pids) == pool.EACH_MAX
    return kernel, pids


def waiting_and_groups(cluster):
    """What there is of containers that wait, and all groups of containers of the agent."""
    scratch = cluster.place("agent").directory / layout.SCRATCH_DIRECTORY
    groups = [str(one) for one in GROUPS.glob(f"*/{cgroups.of_agent(scratch)}/*") if one.is_dir()]
    return [one.name for one in scratch.glob(f"{WAITING_DIRECTORY}/*")], groups


@pytest.mark.parametrize("how", ["stopped", "killed"])
async def test_containers_that_wait_end_with_their_agent_and_kernels_of_such_go_on(
    private_cluster, registry, vanished, how
):
    """End the agent while containers wait beside a kernel. They end at once; the next life has the kernel, and nothing else is left."""
    async with talking_to(private_cluster) as agent:
        digest = await pulled(agent, registry, image_contents.python_image())
        kernel, waiting = await waited_for(agent, private_cluster, digest)
        await agent.execute(kernel.id, "x = 41")
    if how == "stopped":
        private_cluster.process("agent").expect_exit()
        assert (await private_cluster.process("agent").stop(5)).code == 0
    else:
        await private_cluster.kill("agent")
    for pid in waiting:
        await vanished(pid)
    await private_cluster.start("agent")
    async with talking_to(private_cluster) as agent:
        adopted = await agent.show(kernel.id)
        assert (adopted.status, adopted.pid) == ("RUNNING", kernel.pid)
        assert (await agent.execute(kernel.id, "x + 1")).result == "42"
        died = await agent.run(kernel.id, "y = b'1' * (200 * 2**20)")
        assert b"killed: memory limit 64 MiB" in died.body
        await agent.destroy(kernel.id)
        assert remains(private_cluster, kernel.id) == NOTHING
        assert waiting_and_groups(private_cluster) == ([], [])


async def test_containers_that_wait_end_with_their_zygote(private_cluster, registry, vanished):
    """Kill the zygote of containers while some wait; nothing of these is left, and the next kernel has others wait."""
    async with talking_to(private_cluster) as agent:
        digest = await pulled(agent, registry, image_contents.shell_image())
        kernel, waiting = await waited_for(agent, private_cluster, digest)
        os.kill(zygote_of_containers(private_cluster.process("agent").pid), signal.SIGKILL)
        for pid in waiting:
            await vanished(pid)
        await agent.destroy(kernel.id)
        await until(
            lambda: waiting_and_groups(private_cluster),
            satisfied=lambda seen: seen == ([], []),
            within=5,
        )
        other, _ = await waited_for(agent, private_cluster, digest)
        assert (await agent.execute(other.id, "echo again")).stdout == "again\n"
        await agent.destroy(other.id)


async def test_containers_that_wait_go_with_their_image(private_cluster, registry):
    """Remove the tree of an image in which some wait, as an agent does that needs the room; nothing of them is left."""
    async with talking_to(private_cluster) as agent:
        digest = await pulled(agent, registry, image_contents.shell_image())
        kernel, _ = await waited_for(agent, private_cluster, digest)
        await agent.destroy(kernel.id)
        trees = private_cluster.place("agent").directory / "images" / "trees"
        for tree in trees.iterdir():
            tree.rename(tree.with_name(f"{tree.name}.gone"))
        await until(
            lambda: waiting_and_groups(private_cluster),
            satisfied=lambda seen: seen == ([], []),
            within=10,
        )
