"""Kernels in containers: what runs in an image, what it sees, how it ends, and that nothing of it is left."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from quarterdeck.agent.kernels.errors import KernelDied, KernelNotStarted, KernelTerminated
from quarterdeck.agent.kernels.spec import Bind
from quarterdeck.base import ids
from quarterdeck.base.clock import SystemClock
from quarterdeck.testing import containers, image_contents
from quarterdeck.testing.image_layers import Layer
from quarterdeck.testing.image_layouts import Image
from quarterdeck.testing.workshops import execute
from quarterdeck.wire.executions import Execute
from shakeout.waiting.until import until


@pytest.fixture
def shell(unpacked, shakeout_runner):
    """An image with a shell."""
    return shakeout_runner.run(unpacked.image(image_contents.shell_image()))


@pytest.fixture
def make(container_workshop):
    """Make a kernel in a container."""
    return container_workshop.make


def proc(pid, name):
    """A file of a process in /proc."""
    return Path(f"/proc/{pid}/{name}").read_text()


def namespaces(pid):
    """The namespaces of a process."""
    return {one.name: one.readlink() for one in Path(f"/proc/{pid}/ns").iterdir()}


def groups(contained, kernel):
    """The control groups of a kernel."""
    return containers.groups(contained.group, kernel)


async def test_python_runs_in_the_image_with_its_own_files(make):
    kernel = await make()
    done = await execute(
        kernel,
        "import os, sys\nprint(sys.executable, os.getcwd(), os.getuid(), os.getpid())\n"
        "sorted(os.listdir('/'))",
    )
    assert done.stdout == "/usr/bin/python3 /work 0 1\n"
    assert "'work'" in done.result
    assert "'home'" not in done.result
    assert "Uid" in proc(kernel.pid, "status")


async def test_a_shell_keeps_its_variables_and_tells_how_each_piece_ended(make, shell):
    kernel = await make(image=shell)
    assert (await execute(kernel, "x=20; cd /tmp; echo out; echo err >&2")).stderr == "err\n"
    done = await execute(kernel, "pwd; echo $((x + 1))")
    assert (done.status, done.stdout) == ("ok", "/tmp\n21\n")
    failed = await execute(kernel, "false")
    assert (failed.status, failed.exit_code) == ("error", 1)
    assert (await execute(kernel, "if then fi")).status == "error"
    assert (await execute(kernel, "cat; echo still here")).stdout == "still here\n"
    with pytest.raises(KernelDied, match="exited with code 7"):
        await execute(kernel, "exit 7")


@pytest.mark.parametrize(
    "code",
    [
        "while :; do :; done",
        "while :; do sleep 0.01; done",
        "f() { while :; do :; done; }; f",
        "sleep 1000",
    ],
)
async def test_a_shell_that_is_interrupted_goes_on_with_its_variables(
    make, shell, container_workshop, code
):
    """Behaviour 4, in an image: an endless loop is interrupted, the kernel reusable. Interrupt loops and programs of a shell; run something else."""
    kernel = await make(image=shell)
    await execute(kernel, "x=41")
    run = kernel.start(Execute(f"echo > begun; {code}", run=ids.new(SystemClock())))
    work = container_workshop.scratch.directory(kernel.id) / "work"
    await until((work / "begun").exists, within=5)
    kernel.interrupt()
    await until(lambda: run.ended, within=5)
    assert (run.report().status, run.report().exit_code) == ("error", 130)
    assert (await execute(kernel, "echo $((x + 1))")).stdout == "42\n"


async def test_a_shells_variables_are_its_users(make, shell):
    """What the kernel's own program keeps is in nobody's way: code uses short names, as loops do."""
    kernel = await make(image=shell)
    done = await execute(kernel, "for n in a b c; do s=$n; done; echo $n $s")
    assert (done.status, done.stdout) == ("ok", "c c\n")


async def test_a_command_runs_in_the_image_and_its_exit_is_the_kernels(
    make, shell, container_workshop
):
    kernel = await make(image=shell, command=("sh", "-c", "echo done; exit 3"))
    await kernel.gone.wait()
    assert str(container_workshop.exits[kernel.id]) == "exited with code 3"
    assert kernel.logs().text == "done\n"


async def test_what_is_written_is_the_kernels_alone(make, contained):
    first, second = await make(), await make()
    await execute(first, "open('/usr/bin/python3', 'w').write('spoiled'); open('/etc/new', 'w')")
    shown = await execute(
        second, "import os; (os.path.getsize('/usr/bin/python3') > 7, os.path.exists('/etc/new'))"
    )
    assert shown.result == "(True, False)"
    assert (Path(contained.image.tree) / "usr/bin/python3").stat().st_size > 7


async def test_folders_are_mounted_and_written_as_the_agents(make, tmp_path):
    for name in ("in", "out"):
        (tmp_path / name).mkdir()
    (tmp_path / "in" / "data").write_text("1 2 3")
    binds = (
        Bind(str(tmp_path / "in"), "in", read_only=True),
        Bind(str(tmp_path / "out"), "a/out"),
    )
    kernel = await make(binds=binds)
    await execute(kernel, "open('a/out/new', 'w').write(open('in/data').read())")
    refused = await execute(kernel, "open('in/data', 'w')")
    assert refused.error.type == "OSError"
    assert (tmp_path / "out" / "new").read_text() == "1 2 3"
    assert (tmp_path / "out" / "new").stat().st_uid == os.geteuid()
    assert (tmp_path / "in" / "data").read_text() == "1 2 3"


async def test_no_capability_no_privilege_and_no_network_but_its_own(make):
    kernel = await make()
    status = (await execute(kernel, "print(open('/proc/self/status').read())")).stdout
    found = dict(line.split(":\t") for line in status.splitlines() if ":\t" in line)
    assert {found[f"Cap{name}"] for name in ("Inh", "Prm", "Eff", "Bnd", "Amb")} == {"0" * 16}
    assert (found["NoNewPrivs"], found["Seccomp"]) == ("1", "2")
    names = await execute(kernel, "import socket; [name for _, name in socket.if_nameindex()]")
    assert names.result == "['lo']"
    assert int(proc(kernel.pid, "status").split("Uid:")[1].split()[0]) != os.geteuid()
    shared = namespaces(kernel.pid).items() & namespaces("self").items()
    assert {name for name, _ in shared} <= {"time", "time_for_children"}


@pytest.mark.parametrize(
    "code",
    [
        "import ctypes, os; os.strerror(ctypes.get_errno()) if ctypes.CDLL(None, use_errno=True).unshare(0x10000000) else 'made'",
        "import ctypes, os; os.strerror(ctypes.get_errno()) if ctypes.CDLL(None, use_errno=True).mount(b'x', b'/tmp', b'tmpfs', 0, None) else 'made'",
        "import ctypes, os; os.strerror(ctypes.get_errno()) if ctypes.CDLL(None, use_errno=True).ptrace(0, 0, 0, 0) else 'made'",
    ],
)
async def test_system_calls_beyond_a_programs_needs_are_refused(make, code):
    kernel = await make()
    assert (await execute(kernel, code)).result == "'Operation not permitted'"


async def test_memory_beyond_the_limit_ends_it_in_words(make, container_workshop):
    kernel = await make(memory_bytes=64 * 2**20)
    with pytest.raises(KernelDied, match="killed: memory limit 64 MiB"):
        await execute(kernel, "x = b'1' * (200 * 2**20)")
    assert str(container_workshop.exits[kernel.id]) == "killed: memory limit 64 MiB"


async def test_processor_time_is_that_of_its_slots(make, contained):
    """Cpu slots are held by the control group's quota and by the cores. Ask for one; look at group and processes, after code has tried to widen both."""
    core = max(os.sched_getaffinity(0))
    kernel = await make(cores=(core,))
    code = """
import os, subprocess
told = []
for attempt in (
    lambda: os.sched_setaffinity(0, range(os.cpu_count())),
    lambda: open('/sys/fs/cgroup/cpu/cpu.cfs_quota_us', 'w').write('-1'),
):
    try: told.append(attempt())
    except OSError as error: told.append(type(error).__name__)
child = subprocess.Popen(['/bin/sleep', '60'])
told
"""
    done = await execute(kernel, code)
    assert done.result in {
        "['PermissionError', 'FileNotFoundError']",
        "['PermissionError', 'PermissionError']",
    }
    assert quota(contained, kernel) == 1.0
    (child,) = proc(kernel.pid, f"task/{kernel.pid}/children").split()
    for pid in (kernel.pid, child):
        assert f"Cpus_allowed_list:\t{core}\n" in proc(pid, "status")
        assert proc(pid, "cgroup") == proc(kernel.pid, "cgroup")


def quota(contained, kernel):
    """How many cores' time a kernel's control group grants, in either version."""
    for group in groups(contained, kernel.id):
        if (group / "cpu.max").exists():
            given, period = (group / "cpu.max").read_text().split()
            return int(given) / int(period)
        if (group / "cpu.cfs_quota_us").exists():
            given, period = (
                (group / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period")
            )
            return int(given) / int(period)
    return None


async def test_a_fork_bomb_stays_within_its_number(make):
    kernel = await make(processes=32)
    done = await execute(
        kernel,
        "import os, time\nmade = 0\ntry:\n    for made in range(1000):\n        if os.fork() == 0: time.sleep(100)\n"
        "except BlockingIOError: print(made)",
    )
    assert 20 < int(done.stdout) < 32


async def test_its_end_leaves_nothing(make, contained, container_workshop):
    kernel = await make()
    await execute(
        kernel,
        "import subprocess; subprocess.Popen(['/bin/sleep', '1000'], start_new_session=True)",
    )
    processes = proc(kernel.pid, f"task/{kernel.pid}/children").split()
    assert len(processes) == 1
    assert groups(contained, kernel.id)
    directory = container_workshop.scratch.directory(kernel.id)
    await container_workshop.end(kernel)
    assert groups(contained, kernel.id) == []
    assert not directory.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(int(processes[0]), 0)
    assert str(directory) not in proc("self", "mountinfo")


async def test_a_death_is_noticed_and_told_in_words(make, container_workshop):
    kernel = await make()
    os.kill(kernel.pid, signal.SIGKILL)
    async with asyncio.timeout(5):
        await kernel.gone.wait()
    assert str(container_workshop.exits[kernel.id]) == "killed by signal 9 (SIGKILL)"
    other = await make()
    with pytest.raises(KernelDied, match="exited with code 3"):
        await execute(other, "import os; os._exit(3)")


async def test_a_container_killed_while_it_is_made_leaves_nothing(
    contained, container_workshop, exits
):
    spec = container_workshop.spec()
    loop = asyncio.get_running_loop()
    making = loop.create_task(contained.spawn(spec, exits.append))
    await until(Path(spec.directory, "bundle").is_dir, within=5)
    await contained.kill(spec.id)
    with pytest.raises((KernelTerminated, KernelNotStarted)):
        await making
    assert groups(contained, spec.id) == []


@pytest.fixture
def exits():
    """How kernels have ended."""
    return []


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (
            Image([Layer().directory("bin")], labels={image_contents.RUNTIME_LABEL: "python"}),
            "python3",
        ),
        (
            Image([Layer().directory("bin")], labels={image_contents.RUNTIME_LABEL: "shell"}),
            "/bin/sh",
        ),
        (
            Image([Layer().directory("bin")], labels={image_contents.RUNTIME_LABEL: "command"}),
            "commands only",
        ),
    ],
    ids=["python", "shell", "command"],
)
async def test_an_image_without_what_its_runtime_needs_is_refused_in_words(
    make, unpacked, image, words
):
    with pytest.raises(KernelNotStarted, match=words):
        await make(image=await unpacked.image(image))


LIAR = r"""#!/bin/sh
printf '\003{"started": 1}' >&3
cat <&3 >/dev/null
"""
"""A python3 that says it is the first process of the machine."""


async def test_what_an_image_says_its_pid_is_is_not_believed(make, unpacked):
    liar = Layer().directory("usr/bin").file("usr/bin/python3", LIAR, mode=0o755)
    labels = {image_contents.RUNTIME_LABEL: "python"}
    kernel = await make(
        image=await unpacked.image(Image([image_contents.shell_layer(), liar], labels=labels))
    )
    assert kernel.pid > 1
    assert "entry.py" in proc(kernel.pid, "cmdline")


async def test_a_folder_that_is_not_there_is_refused_by_name(make, tmp_path):
    with pytest.raises(KernelNotStarted, match="data") as refusal:
        await make(binds=(Bind(str(tmp_path / "missing"), "data"),))
    assert refusal.value.code == "mount-source-missing"


async def test_code_that_takes_all_descriptors_ends_no_kernel(make):
    """What a run is called is shown by way of a descriptor. Take all there may be, and run something else: it runs."""
    kernel = await make(open_files=1300)
    taken = "import os\nkept = []\ntry:\n    while True: kept.append(os.open('/dev/null', os.O_RDONLY))\nexcept OSError as error: print(error.strerror)"
    assert (await execute(kernel, taken)).stdout == "Too many open files\n"
    assert (await execute(kernel, "len(kept) > 1000")).result == "True"
