"""Containers that wait to become kernels: what a kernel has of its own in one, that none is ever shared, and when they are given up."""

import asyncio
import dataclasses
import os
import shutil
import signal
from pathlib import Path

import pytest

from quarterdeck.agent.kernels.errors import KernelDied, KernelNotStarted, KernelTerminated
from quarterdeck.agent.kernels.oci import container, kernels
from quarterdeck.agent.kernels.oci import pool as pools
from quarterdeck.agent.kernels.spec import Bind, Exit
from quarterdeck.base import tasks
from quarterdeck.base.clock import SystemClock
from quarterdeck.testing import containers, image_contents, workshops
from quarterdeck.testing.image_layers import Layer
from quarterdeck.testing.image_layouts import Image
from quarterdeck.testing.workshops import execute
from shakeout.process import procfs
from shakeout.waiting.until import until

MARK = "QD_KERNEL_ID"
KERNEL = r"""printf '\003{"started": 1}' >&3; cat <&3 >/dev/null"""
NOT_READY = f'#!/bin/sh\ncase "$*" in *" waiting "*) cat >&2;; *) {KERNEL};; esac\n'
"""A python3 that never gets ready to wait, but is a kernel at once."""
NOT_ALONE = (
    f'#!/bin/sh\ncase "$*" in *" waiting "*) sleep 1000 & echo >&0; read -r n;; esac; {KERNEL}\n'
)
"""One that has another process beside it while it waits."""
GREEDY = f"""#!/bin/sh
x=0123456789abcdef
for n in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19; do x=$x$x; done
for n in 1 2 3; do echo $x >> /run/quarterdeck/bytecode/big; done
case "$*" in *" waiting "*) echo >&0; read -r n;; esac; {KERNEL}
"""
"""One that says to have compiled 24 MiB."""


class Machine:
    """What the pool is told of this machine: how late it is, and how much memory is there."""

    def __init__(self):
        self.later = 0.0
        self.memory = 1.0
        self._clock = SystemClock()

    def now(self):
        """The time of day."""
        return self._clock.now()

    def monotonic(self):
        """A time that never goes back."""
        return self._clock.monotonic() + self.later


class Shop:
    """Makes kernels from containers that wait."""

    def __init__(self, shop, pool, machine, place):
        self.shop = shop
        self.pool = pool
        self.machine = machine
        self.place = place
        self.group = shop.launcher.group

    def waiting(self):
        """The directories of containers that wait, with what is left of such."""
        return {one.name for one in self.place.iterdir()} if self.place.is_dir() else set()

    def compiled(self):
        """The files of compiled modules that are kept; perhaps they are being removed meanwhile."""
        place = self.place.with_name(f"{self.place.name}-bytecode")
        return {Path(where, name) for where, _, names in os.walk(place) for name in names}

    def processes(self):
        """What runs in containers that wait."""
        found = {one: self.place / one / "given" / "pid" for one in self.waiting()}
        return {int(path.read_text()) for path in found.values() if path.is_file()}

    async def filled(self, count=pools.EACH_MAX):
        """Wait until so many wait."""
        await until(self._ready, satisfied=lambda seen: seen == count, within=20)

    async def emptied(self):
        """Wait until nothing waits, and nothing is left of what did."""
        await until(self.waiting, satisfied=lambda seen: not seen, within=10)

    async def make(self, **changes):
        """Make a kernel, and tell whether a container had waited for it."""
        kernel = await self.shop.make(**changes)
        directory = self.shop.scratch.directory(kernel.id)
        return kernel, (directory / container.GROUP_FILE).exists()

    def _ready(self):
        return sum((self.place / one / container.GROUP_FILE).exists() for one in self.waiting())


@pytest.fixture
def shop(tmp_path, unpacked, shakeout_runner):
    """A zygote of containers of its own, with a pool."""
    machine, place = Machine(), tmp_path / "scratch" / ".waiting"
    pool = pools.Pool(place, machine, marks={"MARKED": "yes"}, available=lambda: machine.memory)
    image = shakeout_runner.run(unpacked.image(image_contents.python_image()))
    maker = shakeout_runner.keep(containers.contained(tmp_path / "group", image, pool=pool))
    opened = shakeout_runner.keep(workshops.opened(maker.value, tmp_path / "scratch"))
    yield Shop(opened.value, pool, machine, place)
    opened.close()
    maker.close()


@pytest.fixture
def shell(unpacked, shakeout_runner):
    """An image with a shell."""
    return shakeout_runner.run(unpacked.image(image_contents.shell_image()))


@pytest.fixture
def odd(unpacked):
    """Unpack an image whose python3 is a script."""

    async def unpack(script):
        layer = Layer().directory("usr/bin").file("usr/bin/python3", script, mode=0o755)
        labels = {image_contents.RUNTIME_LABEL: "python"}
        return await unpacked.image(Image([image_contents.shell_layer(), layer], labels=labels))

    return unpack


def proc(pid, name):
    """A file of a process in /proc."""
    return Path(f"/proc/{pid}/{name}").read_text()


def limits(pid):
    """The control groups' limits of a process: memory and processes."""
    found = []
    for line in proc(pid, "cgroup").splitlines():
        _, names, path = line.split(":", 2)
        for file in ("memory.limit_in_bytes", "memory.max", "pids.max"):
            one = Path(f"/sys/fs/cgroup/{names}{path}/{file}")
            if one.exists():
                found.append((file.partition(".")[0], one.read_text().strip()))
    return dict(found)


@pytest.mark.parametrize("runtime", ["python", "shell"])
async def test_a_kernel_has_all_of_its_own_in_a_container_that_waited(
    shop, shell, runtime, tmp_path
):
    """Have one wait, then make a kernel in everything different from it: seen from inside and from outside."""
    image = {} if runtime == "python" else {"image": shell}
    await shop.make(**image)
    await shop.filled()
    for name in ("in", "out"):
        (tmp_path / name).mkdir()
    (tmp_path / "in" / "data").write_text("1 2 3")
    spec = shop.shop.spec()
    binds = (
        Bind(str(tmp_path / "in"), "in", read_only=True),
        Bind(str(tmp_path / "out"), "a/out"),
    )
    kernel, waited = await shop.make(
        **image,
        binds=binds,
        cores=(min(os.sched_getaffinity(0)),),
        memory_bytes=200 * 2**20,
        processes=33,
        open_files=2001,
        hostname="main7",
        hosts={"sub1": "10.77.0.2"},
        environment=spec.environment | {"GREETING": "it's\n$HOME", MARK: spec.id},
    )
    assert waited
    commands = 'hostname() { cat /proc/sys/kernel/hostname; }; hostname; echo "$GREETING"; pwd; cat in/data; grep() { while read -r l; do case $l in *sub1*) echo $l; esac; done; }; grep < /etc/hosts; echo new > a/out/new; echo x > in/data; echo $?'
    code = (
        commands
        if runtime == "shell"
        else f"import subprocess; print(subprocess.run(['/bin/sh', '-c', {commands!r}], capture_output=True, text=True).stdout, end='')"
    )
    done = await execute(kernel, code)
    greeting = "it's\n$HOME"
    assert done.stdout == f"main7\n{greeting}\n/work\n1 2 3" + "10.77.0.2 sub1\n1\n"
    assert (tmp_path / "out" / "new").read_text() == "new\n"
    assert (tmp_path / "out" / "new").stat().st_uid == os.geteuid()
    assert (tmp_path / "in" / "data").read_text() == "1 2 3"
    assert procfs.marked(MARK, spec.id)[:1] == [kernel.pid]
    assert limits(kernel.pid) == {"memory": str(200 * 2**20), "pids": "33"}
    assert os.sched_getaffinity(kernel.pid) == {min(os.sched_getaffinity(0))}
    assert "Max open files            2001" in proc(kernel.pid, "limits")


async def test_what_waits_is_stopped_alone_and_knows_no_kernel(shop):
    """Look at what waits from outside: one process, stopped, no kernel's id, the marks of the agent, limits of its own."""
    await shop.make()
    await shop.filled()
    for pid in shop.processes():
        assert "State:\tT (stopped)" in proc(pid, "status")
        assert proc(pid, f"task/{pid}/children") == ""
        found = procfs.environ(pid)
        assert (found[MARK].strip(), found["MARKED"]) == ("", "yes")
        assert limits(pid)["memory"] == str(pools.MEMORY_BYTES)


async def test_none_is_shared_and_what_one_did_is_not_seen_by_the_next(shop):
    """Ask for more at once than wait; each has a process of its own, and none finds what another has left."""
    kernel, _ = await shop.make()
    seen = {kernel.pid}
    for _ in range(3):
        await shop.filled()
        async with asyncio.TaskGroup() as group:
            making = [group.create_task(shop.make()) for _ in range(4)]
        made = [one.result() for one in making]
        assert sum(waited for _, waited in made) == pools.EACH_MAX
        for one, _ in made:
            found = await execute(
                one,
                "import os\n[os.path.exists('/tmp/left'), 'left' in vars(), 'LEFT' in os.environ]",
            )
            assert found.result == "[False, False, False]"
            await execute(
                one, "left = 1; open('/tmp/left', 'w').close(); os.environ['LEFT'] = '1'"
            )
            assert one.pid not in seen
            seen.add(one.pid)


async def test_the_memory_limit_of_one_that_waited_ends_it_in_words(shop):
    await shop.make()
    await shop.filled()
    kernel, waited = await shop.make(memory_bytes=64 * 2**20)
    assert waited
    with pytest.raises(KernelDied, match="killed: memory limit 64 MiB"):
        await execute(kernel, "x = b'1' * (200 * 2**20)")


async def test_its_end_leaves_nothing(shop):
    """End a kernel whose container had waited; its group, which has another name, is gone with its directory and processes."""
    await shop.make()
    await shop.filled()
    before = shop.waiting()
    kernel, waited = await shop.make()
    assert waited
    (name,) = before - shop.waiting()
    assert containers.groups(shop.group, name)
    await shop.shop.end(kernel)
    assert containers.groups(shop.group, name) == []
    assert procfs.marked(MARK, kernel.id) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"command": ("/bin/true",)},
        {"environment": {"PYTHONPATH": "/work"}},
        {"environment": {"TZ": "UTC"}},
    ],
    ids=["a command", "a variable that Python reads at its start", "a time zone"],
)
async def test_what_cannot_be_applied_later_is_made_anew(shop, changes):
    await shop.make()
    await shop.filled()
    spec = shop.shop.spec()
    if "environment" in changes:
        changes = {"environment": spec.environment | changes["environment"]}
    _, waited = await shop.make(**changes)
    assert not waited


async def test_a_variable_that_no_shell_can_be_given_is_there_all_the_same(shop, shell):
    await shop.make(image=shell)
    await shop.filled()
    spec = shop.shop.spec()
    kernel, waited = await shop.make(
        image=shell, environment=spec.environment | {"a.b": "odd", "UID": "7"}
    )
    assert not waited
    await execute(kernel, "true")
    assert "a.b=odd" in proc(kernel.pid, "environ").split("\0")


async def test_nothing_waits_before_an_image_was_used_and_only_so_many_later(shop, shell):
    assert shop.waiting() == set()
    await shop.make()
    await shop.make(image=shell)
    await shop.filled(2 * pools.EACH_MAX)
    assert len(shop.processes()) == 2 * pools.EACH_MAX


@pytest.mark.parametrize("why", ["idle", "memory", "image"])
async def test_what_waits_is_given_up(shop, shell, unpacked, why, tmp_path):
    """Let time pass, memory run short, or the image go; nothing of what waited is left: no process, no group, no directory."""
    copy = tmp_path / "copy"
    shutil.copytree(shell.tree, copy, symlinks=True)
    image = dataclasses.replace(shell, tree=str(copy))
    await shop.make(image=image)
    await shop.filled()
    waited, names = shop.processes(), shop.waiting()
    match why:
        case "idle":
            shop.machine.later = pools.IDLE_SECONDS_MAX + 1
        case "memory":
            shop.machine.memory = 0.05
        case _:
            copy.rename(tmp_path / "gone")
    await shop.emptied()
    assert not any(map(procfs.stat, waited))
    assert [path for name in names for path in containers.groups(shop.group, name)] == []


async def test_one_that_dies_is_replaced(shop):
    await shop.make()
    await shop.filled()
    before = shop.waiting()
    for pid in shop.processes():
        os.kill(pid, signal.SIGKILL)
    await until(lambda: not shop.waiting() & before, within=10)
    await shop.filled()
    _, waited = await shop.make()
    assert waited


@pytest.mark.parametrize("script", [NOT_READY, NOT_ALONE], ids=["never ready", "not alone"])
async def test_an_image_that_cannot_wait_has_kernels_all_the_same(monkeypatch, shop, odd, script):
    """Fault: what the image runs never says that it waits, or has another process beside it. Nothing waits or is left, kernels are made."""
    monkeypatch.setattr(kernels, "FILL_SECONDS_MAX", 0.5)
    image = await odd(script)
    for _ in range(2):
        kernel, waited = await shop.make(image=image)
        assert not waited
        await until(shop.waiting, within=5)
        await shop.emptied()
        assert kernel.exit is None


def without_bytecode(image, place):
    """A copy of an image that has no compiled modules."""
    shutil.copytree(image.tree, place, symlinks=True, copy_function=os.link)
    for one in place.rglob("__pycache__"):
        shutil.rmtree(one)
    return dataclasses.replace(image, tree=str(place))


async def test_an_image_without_bytecode_is_compiled_once_and_no_kernel_has_a_hand_in_it(
    shop, tmp_path
):
    """Take an image's bytecode away. A kernel that is made anew loads what was compiled before, and can neither add to it nor change it."""
    image = without_bytecode(shop.shop.launcher.image, tmp_path / "bare")
    await shop.make(image=image)
    await shop.filled()
    compiled = shop.compiled()
    assert any(one.name.startswith("socket.") for one in compiled)
    environment = shop.shop.spec().environment | {"PYTHONX": "1"}
    kernel, waited = await shop.make(image=image, environment=environment)
    assert not waited
    done = await execute(
        kernel, "import socket, sys; print(socket.__cached__, sys.pycache_prefix)"
    )
    assert done.stdout.startswith("/run/quarterdeck/bytecode/usr/lib/")
    assert done.stdout.endswith(" None\n")
    for mode in ("wb", "ab"):
        refused = await execute(kernel, f"open(socket.__cached__, {mode!r})")
        assert refused.error.type == "OSError"
    refused = await execute(kernel, "open('/run/quarterdeck/bytecode/new', 'w')")
    assert refused.error.type == "OSError"
    assert shop.compiled() == compiled
    shop.machine.later = pools.IDLE_SECONDS_MAX + 1
    await until(shop.compiled, satisfied=lambda seen: not seen, within=10)


async def test_an_image_that_compiles_too_much_has_nothing_kept(shop, odd):
    """Fault: what it runs writes 24 MiB where bytecode goes. Nothing of it stays, containers wait, kernels are made of them."""
    image = await odd(GREEDY)
    await shop.make(image=image)
    await shop.filled()
    assert shop.compiled() == set()
    _, waited = await shop.make(image=image)
    assert waited


async def test_a_container_that_fails_to_become_a_kernel_is_replaced_by_one_that_is_made(shop):
    """Fault: what waits is killed in the moment in which it is claimed. The kernel is made anew and runs."""
    await shop.make()
    await shop.filled()
    for pid in shop.processes():
        os.kill(pid, signal.SIGKILL)
    kernel, waited = await shop.make()
    assert not waited
    assert (await execute(kernel, "6 * 7")).result == "42"
    assert shop.shop.exits == {}


async def test_a_folder_that_is_not_there_is_refused_by_name(shop, tmp_path):
    await shop.make()
    await shop.filled()
    with pytest.raises(KernelNotStarted, match="data") as refusal:
        await shop.make(binds=(Bind(str(tmp_path / "missing"), "data"),))
    assert refusal.value.code == "mount-source-missing"


async def test_kernels_destroyed_while_they_are_claimed_leave_nothing(shop, shell):
    """Destroy each some turns of the loop later than the one before; each ends once, and no process or group of any is left."""
    await shop.make(image=shell)
    for turn in range(16):
        await shop.filled()
        before = shop.waiting()
        exits: list[Exit] = []
        spec = shop.shop.spec(image=shell)
        async with asyncio.TaskGroup() as group:
            making = group.create_task(_refused(shop.shop.launcher, spec, exits))
            for _ in range(1 + turn):
                await tasks.pause(0)
            await shop.shop.launcher.kill(spec.id)
        assert len(exits) == 1
        assert making.result() is None or isinstance(making.result(), KernelTerminated)
        assert procfs.marked(MARK, spec.id) == []
        taken = {spec.id, *(before - shop.waiting())}
        assert [path for one in taken for path in containers.groups(shop.group, one)] == []


async def _refused(launcher, spec, exits):
    """Make a kernel; return why there is none."""
    try:
        await launcher.spawn(spec, exits.append)
    except KernelTerminated as error:
        return error
    return None
