"""The start of the zygote of containers, and of what it makes: deadlines, and ends that come in the middle of a start."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from quarterdeck.agent.kernels import forkserver
from quarterdeck.agent.kernels.errors import AgentLeft, KernelNotStarted, KernelTerminated
from quarterdeck.agent.kernels.oci import kernels
from quarterdeck.agent.kernels.oci.launcher import ContainerLauncher
from quarterdeck.agent.kernels.spec import Exit
from quarterdeck.base import ids, tasks
from quarterdeck.base.clock import SystemClock
from quarterdeck.testing import containers, image_contents, workshops
from quarterdeck.testing.image_layers import Layer
from quarterdeck.testing.image_layouts import Image
from shakeout.process import procfs

MARK = "QD_KERNEL_ID"
TIMES = 40


@pytest.fixture
def exits():
    """How kernels have ended."""
    return []


@pytest.fixture
def shell(unpacked, shakeout_runner):
    """An image with a shell."""
    return shakeout_runner.run(unpacked.image(image_contents.shell_image()))


class Stopped:
    """Launches zygotes that are stopped before they can say a word, as long as it is `broken`."""

    def __init__(self):
        self.broken = True
        self.launched = []

    def __call__(self):
        launcher = containers.launched()
        self.launched.append(launcher)
        if self.broken:
            os.kill(launcher.pid, signal.SIGSTOP)
        return launcher


async def test_a_zygote_that_never_answers_is_ended_and_the_next_kernel_has_another(
    monkeypatch, tmp_path, shell, vanished
):
    """Fault: the zygote is stopped at its launch. Who waits is told in time, however many; then one that works is launched."""
    monkeypatch.setattr(kernels, "LAUNCH_SECONDS_MAX", 0.3)
    launch = Stopped()
    async with (
        containers.contained(tmp_path / "group", shell, launch) as contained,
        workshops.opened(contained, tmp_path / "scratch") as shop,
    ):

        async def refused():
            with pytest.raises(KernelNotStarted, match="zygote of containers was not ready"):
                await shop.make()

        async with asyncio.timeout(5), asyncio.TaskGroup() as group:
            for _ in range(8):
                group.create_task(refused())
        for one in launch.launched:
            await vanished(one.pid)
        launch.broken = False
        monkeypatch.undo()
        kernel = await shop.make()
        assert (await workshops.execute(kernel, "echo 2")).stdout == "2\n"


async def test_an_image_that_never_gets_ready_is_given_up(
    monkeypatch, contained, tmp_path, unpacked
):
    """Fault: the image's python3 reads for ever. Its kernel is refused in words, and ended."""
    monkeypatch.setattr(kernels, "START_SECONDS_MAX", 1.0)
    silent = Layer().directory("usr/bin").file("usr/bin/python3", "#!/bin/sh\ncat <&3", mode=0o755)
    labels = {image_contents.RUNTIME_LABEL: "python"}
    image = await unpacked.image(Image([image_contents.shell_layer(), silent], labels=labels))
    async with workshops.opened(contained, tmp_path / "scratch") as shop:
        spec = shop.spec(image=image)
        with pytest.raises(KernelNotStarted, match="was not ready after 1 s"):
            await contained.spawn(spec, lambda _: None)
        await contained.kill(spec.id)
        assert procfs.marked(MARK, spec.id) == []


class Slow(ContainerLauncher):
    """A zygote that is ready when it is let go."""

    def __init__(self, server):
        super().__init__(server)
        self.waits = asyncio.Event()
        self.gate = asyncio.Event()

    async def ready(self):
        """Wait for the zygote, then to be let go."""
        await super().ready()
        self.waits.set()
        await self.gate.wait()


@pytest.mark.parametrize("passes", range(0, TIMES, 4))
async def test_a_kernel_destroyed_while_its_zygote_is_launched_is_never_made(
    passes, tmp_path, shell, exits
):
    """Let the launch end so many turns of the loop after the kernel's end began, which waits for a thread; nothing of it starts."""
    slow = Slow.launch(program=forkserver.CONTAINERS)
    async with (
        containers.contained(tmp_path / "group", shell, lambda: slow) as contained,
        workshops.opened(contained, tmp_path / "scratch") as shop,
    ):
        spec = shop.spec()
        async with asyncio.TaskGroup() as group:
            making = group.create_task(_refused(contained, spec, exits))
            await slow.waits.wait()
            group.create_task(contained.kill(spec.id))
            for _ in range(passes):
                await tasks.pause(0)
            slow.gate.set()
        assert isinstance(making.result(), KernelTerminated)
        assert len(exits) == 1
        assert procfs.marked(MARK, spec.id) == []
        assert not remains(spec)


async def test_kernels_destroyed_at_any_moment_of_their_start_leave_nothing(
    contained, container_workshop, shell
):
    """Destroy each some turns of the loop later than the one before; each ends once, and no process or group of any is left."""
    for turn in range(TIMES):
        exits: list[Exit] = []
        spec = container_workshop.spec(image=shell)
        async with asyncio.TaskGroup() as group:
            making = group.create_task(_refused(contained, spec, exits))
            await _turns(1 + turn)
            await contained.kill(spec.id)
        assert len(exits) == 1
        assert making.result() is None or isinstance(making.result(), KernelTerminated)
        assert procfs.marked(MARK, spec.id) == []
        assert containers.groups(contained.group, spec.id) == []


async def test_an_agent_that_stops_while_its_zygote_is_launched_leaves_none(
    tmp_path, shell, vanished, exits
):
    """Stop in the middle of a launch; who waits is told, and the zygote ends."""
    slow = Slow.launch(program=forkserver.CONTAINERS)
    async with containers.contained(tmp_path / "group", shell, lambda: slow) as contained:
        spec = workshops.bare_spec(ids.new(SystemClock()))
        async with asyncio.TaskGroup() as group:
            making = group.create_task(_refused(contained, spec, exits))
            await slow.waits.wait()
            contained.leave()
            slow.gate.set()
        assert isinstance(making.result(), AgentLeft)
        await vanished(slow.pid)


def remains(spec):
    """Whether there is a directory of a kernel."""
    return Path(spec.directory).exists()


async def _refused(contained, spec, exits):
    """Make a kernel; return why there is none."""
    try:
        await contained.spawn(spec, exits.append)
    except (KernelTerminated, AgentLeft) as error:
        return error
    return None


async def _turns(count):
    for _ in range(count):
        await tasks.pause(0)
