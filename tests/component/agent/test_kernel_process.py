"""What a kernel is to the operating system, read from /proc: limits, cores, session, directories, environment, memory."""

import os
import stat
from pathlib import Path

import pytest

from quarterdeck.agent.kernels.errors import KernelNotStarted
from quarterdeck.agent.kernels.spec import MARK
from quarterdeck.testing.workshops import execute

PRIVATE_KIB_MAX = 3 * 1024
"""Of the user's process."""


def proc(pid, name):
    return Path(f"/proc/{pid}/{name}")


def fields(pid):
    lines = proc(pid, "status").read_text().splitlines()
    return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}


def limits(pid):
    lines = proc(pid, "limits").read_text().splitlines()[1:]
    return {line[:26].strip(): line[26:].split()[:2] for line in lines}


def private_kib(pid):
    lines = proc(pid, "smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_"))


async def test_limits_are_those_of_the_spec(any_workshop):
    memory, files, size = 300 * 2**20, 333, 2**20
    kernel = await any_workshop.make(memory_bytes=memory, open_files=files, file_bytes=size)
    seen = limits(kernel.pid)
    assert seen["Max address space"] == [str(memory)] * 2
    assert seen["Max open files"] == [str(files)] * 2
    assert seen["Max file size"] == [str(size)] * 2
    assert seen["Max core file size"] == ["0", "0"]


async def test_limits_hold(any_workshop):
    kernel = await any_workshop.make(memory_bytes=256 * 2**20, open_files=1200, file_bytes=2**20)
    code = """
def error_of(act):
    try: act()
    except Exception as error: return type(error).__name__, getattr(error, "errno", None)
def files(): return [open("/dev/null") for _ in range(2000)]
def size():
    with open("big", "wb", 0) as file:
        while True: file.write(bytes(2**18))
def memory(): return bytearray(2**28)
import resource
def raise_it(): resource.setrlimit(resource.RLIMIT_AS, (-1, -1))
[error_of(act) for act in (files, size, memory, raise_it)]
"""
    expected = "[('OSError', 24), ('OSError', 27), ('MemoryError', None), ('ValueError', None)]"
    assert (await execute(kernel, code)).result == expected


async def test_it_runs_on_the_cores_of_the_spec(any_workshop):
    core = max(os.sched_getaffinity(0))
    kernel = await any_workshop.make(cores=(core,))
    assert fields(kernel.pid)["Cpus_allowed_list"] == str(core)


async def test_it_leads_a_session_of_its_own(any_workshop):
    kernel = await any_workshop.make()
    assert os.getsid(kernel.pid) == os.getpgid(kernel.pid) == kernel.pid


async def test_its_directories_are_private_and_it_works_in_one(any_workshop):
    kernel = await any_workshop.make()
    directory = any_workshop.scratch.directory(kernel.id)
    assert proc(kernel.pid, "cwd").readlink() == directory / "work"
    assert sorted(one.name for one in directory.iterdir()) == ["tmp", "work"]
    for one in (directory, directory / "work", directory / "tmp"):
        assert stat.S_IMODE(one.stat().st_mode) == 0o700


async def test_its_environment_is_that_of_the_spec_alone(any_workshop):
    environment = {"PATH": "/bin", "HOME": "/", "NAME": "x = \N{SNOWMAN}\n"}
    kernel = await any_workshop.make(environment=environment)
    assert (await execute(kernel, "import os; dict(os.environ)")).result == repr(environment)
    shown = await execute(kernel, "import subprocess; subprocess.check_output(['env', '-0'])")
    assert dict(one.split("=", 1) for one in eval(shown.result).decode().split("\0")[:-1]) == (
        environment
    )


async def test_every_process_of_it_carries_its_mark_and_no_secret(any_workshop):
    kernel = await any_workshop.make()
    shown = proc(kernel.pid, "environ").read_bytes().split(b"\0")
    assert f"{MARK}={kernel.id}".encode() in shown
    assert {one.partition(b"=")[0] for one in shown} <= {
        *(b"PATH", b"LANG", b"PYTHONPATH", MARK.encode(), b""),
    }


async def test_it_keeps_no_descriptor_of_the_agent(any_workshop):
    kernel = await any_workshop.make()
    await any_workshop.make()
    targets = [one.readlink() for one in proc(kernel.pid, "fd").iterdir()]
    assert len(targets) == 7
    low = {int(one.name) for one in proc(kernel.pid, "fd").iterdir() if int(one.name) < 1000}
    assert low == {0, 1, 2}
    shown = await execute(
        kernel, "import subprocess; subprocess.check_output(['ls', '/proc/self/fd'])"
    )
    assert shown.result == r"b'0\n1\n2\n3\n'"


async def test_it_has_no_capability_and_cannot_get_one(any_workshop):
    kernel = await any_workshop.make()
    seen = fields(kernel.pid)
    assert {int(seen[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")} == {0}
    assert seen["NoNewPrivs"] == "1"
    shown = await execute(
        kernel, "import subprocess; subprocess.check_output(['cat', '/proc/self/status'])"
    )
    assert "CapEff:\\t0000000000000000" in shown.result


async def test_its_memory_is_shared_with_the_zygote(workshop):
    kernel = await workshop.make()
    await execute(kernel, "1 + 1")
    assert private_kib(kernel.pid) < PRIVATE_KIB_MAX


async def test_it_sees_no_process_but_its_own(workshop):
    if not workshop.launcher.isolation.pids:
        return
    kernel = await workshop.make()
    found = await execute(kernel, "import os; sorted(filter(str.isdecimal, os.listdir('/proc')))")
    assert found.result == "['1', '2']"
    assert fields(kernel.pid)["NSpid"].split()[-1] == "2"


async def test_a_directory_that_is_there_already_is_refused(any_workshop):
    earlier = await any_workshop.make()
    await any_workshop.launcher.kill(earlier.id)
    spec = any_workshop.spec(directory=str(any_workshop.scratch.directory(earlier.id)))
    with pytest.raises(KernelNotStarted, match="exists"):
        await any_workshop.launcher.spawn(spec, lambda _: None)


async def test_memory_too_small_for_the_interpreter_is_refused(any_workshop):
    with pytest.raises(KernelNotStarted, match=r"needs \d+ MiB"):
        await any_workshop.make(memory_bytes=16 * 2**20)
    kernel = await any_workshop.make(memory_bytes=48 * 2**20)
    assert (await execute(kernel, "len(bytes(2**23))")).result == str(2**23)
