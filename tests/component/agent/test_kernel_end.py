"""How kernels end, by themselves or on request: it is noticed, said in words, and no process or directory stays."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from quarterdeck.agent.kernels.errors import ForkServerDied, KernelDied, KernelTerminated
from quarterdeck.agent.kernels.launcher import Launcher
from quarterdeck.base import tasks
from quarterdeck.testing.workshops import execute

STRAYS = """
import os, subprocess, time
from pathlib import Path
def daemon(name, *more):
    if os.fork(): return
    os.setsid()
    if os.fork(): os._exit(0)
    Path(name).write_text(os.readlink("/proc/thread-self").split("/")[0])
    os.execve("/bin/sleep", ["sleep", "1000"], {})
daemon("one"); daemon("two")
subprocess.Popen(["sleep", "1000"], start_new_session=True)
while not (Path("two").exists() and Path("one").exists()): time.sleep(0.001)
"""


def processes_in(directory):
    """Pids of all processes that work in a directory, from /proc."""
    found = set()
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdecimal() and (entry / "cwd").readlink().is_relative_to(directory):
                found.add(int(entry.name))
        except OSError:
            continue
    return found


def parent(pid):
    """The parent's pid, from /proc."""
    return int(Path(f"/proc/{pid}/status").read_text().split("PPid:")[1].split()[0])


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("import os; os._exit(3)", "exited with code 3"),
        ("import os; os.kill(os.getpid(), 9)", "killed by signal 9 (SIGKILL)"),
        ("import os; os.killpg(0, 15)", "killed by signal 15 (SIGTERM)"),
        ("import ctypes; ctypes.string_at(0)", "killed by signal 11 (SIGSEGV)"),
        ("import os; os.abort()", "killed by signal 6 (SIGABRT)"),
        ("import os; os.execvp('sh', ['sh', '-c', 'exit 7'])", "exited with code 7"),
        ("import os; os.closerange(3, 70000)", "ended because its code closed"),
        ("import os; os.kill(os.getpid(), 40)", "killed by signal 40"),
        (
            "import signal; signal.setitimer(0, 0.01); signal.pause()",
            "killed by signal 14 (SIGALRM)",
        ),
        (
            "import os, resource as r; r.setrlimit(r.RLIMIT_CPU, (1, 2))\nwhile True: pass",
            "signal 24 (SIGXCPU)",
        ),
        ("import faulthandler; faulthandler._sigabrt()", "killed by signal 6 (SIGABRT)"),
        (
            "import os, signal\nif os.fork() == 0: os.kill(os.getppid(), 15); os._exit(0)\nwhile True: signal.pause()",
            "signal 15 (SIGTERM)",
        ),
    ],
)
async def test_the_end_of_the_process_is_told_in_words(any_workshop, code, words):
    kernel = await any_workshop.make()
    with pytest.raises(KernelDied) as death:
        await execute(kernel, f"print('last words')\n{code}")
    assert words in death.value.detail
    assert words in str(any_workshop.exits[kernel.id])
    await kernel.gone.wait()
    assert kernel.logs().text == "last words\n"
    with pytest.raises(KernelDied):
        await execute(kernel, "1")


@pytest.mark.parametrize(
    "said",
    [
        b"{}",
        b'{"done": 1}',
        b"[" * 50,
        b'{"done": 99, "status": "bad"}',
        b'{"said": "\\u0000' + b"x" * 1000 + b'"}',
    ],
    ids=["nothing", "a number", "brackets", "another's", "words"],
)
async def test_a_kernel_that_forges_messages_is_killed_and_says_why(any_workshop, said):
    """Regression: what user code wrote to the control channel came out of the agent as an error 500."""
    kernel = await any_workshop.make()
    code = (
        "import os, stat, time\n"
        "for name in os.listdir('/proc/self/fd'):\n"
        "    if int(name) > 2 and os.path.exists(f'/proc/self/fd/{name}') and stat.S_ISSOCK(os.fstat(int(name)).st_mode):\n"
        f"        os.write(int(name), bytes([3]) + {said!r})\n"
        "time.sleep(30)"
    )
    with pytest.raises(KernelDied) as death:
        await execute(kernel, code)
    assert "wrote to its control channel" in death.value.detail
    assert death.value.detail.isprintable()
    assert len(death.value.detail) < 400


async def test_a_death_between_executions_is_noticed(any_workshop):
    kernel = await any_workshop.make()
    os.kill(kernel.pid, signal.SIGKILL)
    async with asyncio.timeout(5):
        await kernel.gone.wait()
    assert str(any_workshop.exits[kernel.id]) == "killed by signal 9 (SIGKILL)"


async def test_processes_that_left_group_and_session_end_with_the_kernel(any_workshop):
    kernel = await any_workshop.make()
    assert (await execute(kernel, STRAYS)).error is None
    directory = any_workshop.scratch.directory(kernel.id)
    assert len(processes_in(directory)) >= 4
    await any_workshop.end(kernel)
    assert processes_in(directory) == set()
    assert not directory.exists()


async def test_processes_that_outlive_a_dying_kernel_are_ended(any_workshop):
    kernel = await any_workshop.make()
    await execute(kernel, STRAYS)
    with pytest.raises(KernelDied):
        await execute(kernel, "os._exit(0)")
    await kernel.gone.wait()
    assert processes_in(any_workshop.scratch.directory(kernel.id)) == set()


async def test_killing_who_adopts_orphans_saves_nobody(any_workshop):
    kernel = await any_workshop.make()
    await execute(kernel, STRAYS)
    os.kill(any_workshop.launcher.first(kernel.id) or parent(kernel.pid), signal.SIGKILL)
    await kernel.gone.wait()
    assert processes_in(any_workshop.scratch.directory(kernel.id)) == set()


async def test_an_endless_loop_ends_on_request_and_its_caller_is_told(any_workshop):
    kernel = await any_workshop.make()
    async with asyncio.TaskGroup() as group:
        running = group.create_task(_outcome(execute(kernel, "while True: pass")))
        await tasks.pause(0)
        await any_workshop.end(kernel)
    assert isinstance(running.result(), KernelTerminated)


async def test_ending_again_and_at_the_same_time_is_no_error(any_workshop):
    kernel = await any_workshop.make()
    async with asyncio.TaskGroup() as group:
        for _ in range(3):
            group.create_task(any_workshop.launcher.kill(kernel.id))
    await any_workshop.launcher.kill(kernel.id)
    await any_workshop.launcher.kill("never was")
    assert kernel.gone.is_set()


async def test_a_kernel_killed_while_it_starts_is_told_to_its_maker(any_workshop):
    spec = any_workshop.spec()
    async with asyncio.TaskGroup() as group:
        making = group.create_task(_outcome(any_workshop.launcher.spawn(spec, lambda _: None)))
        await tasks.pause(0)
        await any_workshop.launcher.kill(spec.id)
    assert isinstance(making.result(), KernelTerminated)
    assert processes_in(Path(spec.directory)) == set()


async def test_many_start_and_end_together(any_workshop):
    async with asyncio.TaskGroup() as group:
        making = [group.create_task(any_workshop.make()) for _ in range(20)]
    kernels = [task.result() for task in making]
    assert len({kernel.pid for kernel in kernels}) == 20
    async with asyncio.TaskGroup() as group:
        for kernel in kernels:
            group.create_task(any_workshop.end(kernel))
    assert processes_in(any_workshop.scratch.directory("")) == set()


@pytest.mark.parametrize("isolate", [True, False])
async def test_no_kernel_survives_the_zygote(workshop, vanished, isolate):
    launcher = Launcher.launch(isolate=isolate)
    await launcher.ready()
    kernel = await launcher.spawn(workshop.spec(), lambda _: None)
    await execute(kernel, STRAYS)
    directory = workshop.scratch.directory(kernel.id)
    pids = processes_in(directory)
    os.kill(launcher.pid, signal.SIGKILL)
    async with asyncio.timeout(5):
        await launcher.died.wait()
    with pytest.raises(KernelDied):
        await execute(kernel, "1")
    with pytest.raises(ForkServerDied):
        await launcher.spawn(workshop.spec(), lambda _: None)
    for pid in pids:
        await vanished(pid)
    await launcher.close()


async def _outcome(work):
    """The error of some work, or its result."""
    try:
        return await work
    except (KernelDied, KernelTerminated) as error:
        return error
