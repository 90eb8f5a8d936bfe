"""Nothing is left behind: runs whose runner, reaper, spawner or zygote are killed at some moment.

What is left is looked for from outside: processes that mention the home of the runs, processes and things
that the components wrote into the witness file, run directories.
"""

import asyncio
import contextlib
import dataclasses
import json
import os
import random
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from shakeout import settings as settings_module
from shakeout.process import directories, linux, procfs, shared, sweep
from shakeout.process.supervisor import Supervisor
from shakeout.waiting.until import until

WITHIN_SECONDS = 5
STEPS = ("open", "holder", "escaper", "ready")
SEEDS = range(4)
START_SECONDS_MAX = 0.6
HOLDERS = 2


@dataclasses.dataclass
class Victim:
    """A runner in a process of its own, see `data/victim.py`."""

    home: Path
    process: subprocess.Popen[str]

    @property
    def witness(self) -> Path:
        return self.home / "witness"

    def reach(self, step: str) -> None:
        """Read what it says until it says this."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.strip() == step:
                return
        raise AssertionError(f"the victim ended before {step}")

    def pids(self, comm: str) -> list[int]:
        """Its processes of that name, which are none of its components.

        What the reaper forks bears its name for a moment: only a child of the runner is the reaper.
        """
        named = [p for p in procfs.everyone() if p.comm == comm and mentions(p.pid, self.home)]
        return [p.pid for p in named if comm != "shk-reaper" or p.parent == self.process.pid]

    def kill(self, *names: str) -> None:
        """SIGKILL processes of the harness, or the runner itself."""
        found = {name: self.pids(f"shk-{name}") for name in names}
        found["runner"] = [self.process.pid] if "runner" in names else []
        for pid in [pid for name in names for pid in found[name]]:
            os.kill(pid, signal.SIGKILL)

    def held(self) -> list[dict]:
        lines = self.witness.read_text().splitlines() if self.witness.exists() else []
        return [json.loads(line) for line in lines]

    def is_all_noted(self) -> bool:
        """Whether all components are up, and the reaper has seen what they have in /dev/shm.

        Their own parent's death kills them at once: what they made just before is not seen then.
        """
        files = [each["shared"] for each in self.held() if "shared" in each]
        (run,) = self.home.glob(directories.PREFIX + "*")
        noted = {file.path for file in shared.noted_files(run)}
        return len(files) == HOLDERS and noted >= {f"/dev/shm/{name}" for name in files}

    def alive(self) -> list[int]:
        return [each["pid"] for each in self.held() if is_alive(each["pid"])]

    def left(self) -> list[str]:
        """Everything that is still there, except for the runner itself."""
        ours = {p.pid for p in procfs.everyone() if p.alive and mentions(p.pid, self.home)}
        runs = [str(path) for path in self.home.glob(directories.PREFIX + "*")]
        things = [thing for each in self.held() for thing in things_left(each)]
        return (
            [f"process {pid}" for pid in (ours | {*self.alive()}) - {self.process.pid}]
            + runs
            + things
        )


@pytest.fixture
def victim(home: Path, data: Path, inherited: None) -> Iterator[Victim]:
    yield from start(home, data)


@pytest.fixture
def plain_victim(home: Path, data: Path, inherited: None) -> Iterator[Victim]:
    """One whose processes all carry the mark of their run."""
    yield from start(home, data, "holder", "forker", "stubborn")


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("target", ["runner", "reaper"])
async def test_killing_one_ends_the_run_and_leaves_nothing(victim: Victim, target: str, step: str):
    victim.reach(step)
    victim.kill(target)
    await nothing_is_left(victim)


async def test_killed_spawner_ends_the_run_and_leaves_nothing(victim: Victim):
    victim.reach("ready")
    await until(victim.is_all_noted, within=WITHIN_SECONDS)
    victim.kill("spawner")
    await nothing_is_left(victim)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("target", ["runner", "reaper"])
async def test_killing_one_at_any_moment_leaves_nothing(victim: Victim, target: str, seed: int):
    seconds = random.Random(seed).uniform(0, START_SECONDS_MAX)
    with pytest.raises(subprocess.TimeoutExpired):
        victim.process.wait(seconds)
    victim.kill(target if victim.pids(f"shk-{target}") else "runner")
    await nothing_is_left(victim)


@pytest.mark.parametrize("milliseconds", [0, 5, 20, 50])
async def test_reaper_killed_while_it_sweeps_leaves_nothing(victim: Victim, milliseconds: int):
    """Kill the runner, and the reaper a moment later: the spawner finishes the work."""
    victim.reach("ready")
    await until(victim.is_all_noted, within=WITHIN_SECONDS)
    (reaper,) = victim.pids("shk-reaper")
    held = os.pidfd_open(reaper)
    time = asyncio.get_running_loop().time
    moment = time() + milliseconds / 1000
    victim.kill("runner")
    await until(lambda: time() >= moment, within=WITHIN_SECONDS)
    with contextlib.suppress(ProcessLookupError):
        signal.pidfd_send_signal(held, signal.SIGKILL)
    os.close(held)
    await nothing_is_left(victim)


def test_child_to_spare_is_never_stopped(tmp_path: Path):
    """Whoever is killed before it kills the spared child must leave one that runs and sees that."""
    told = tmp_path / "told"

    def sleep() -> None:
        select.select((), (), ())

    def tell_and_send(descriptor: int, number: signal.Signals) -> None:
        info = Path(f"/proc/self/fdinfo/{descriptor}").read_text().split()
        with told.open("a") as lines:
            lines.write(f"{info[info.index('Pid:') + 1]} {number.name}\n")
        send(descriptor, number)

    def sweeper() -> None:
        spared, other = linux.fork(sleep), linux.fork(sleep)
        told.write_text(f"{spared} {other}\n")
        sweep._send = tell_and_send
        sweep.everything(tmp_path / "run", spare=spared)

    send = sweep._send
    _, status = os.waitpid(linux.fork(sweeper), 0)
    (spared, other), *sent = (line.split() for line in told.read_text().splitlines())
    assert status == 0
    assert {name for pid, name in sent if pid == other} == {"SIGSTOP", "SIGKILL"}
    assert next(name for pid, name in sent if pid == spared) == "SIGKILL"
    assert not any(is_alive(int(pid)) for pid in (spared, other))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
async def test_runner_that_is_asked_to_end_leaves_nothing(victim: Victim, number: int):
    victim.reach("ready")
    victim.process.send_signal(number)
    assert victim.process.wait(WITHIN_SECONDS) != 0
    await nothing_is_left(victim)


async def test_killed_zygote_takes_its_components_with_it(victim: Victim):
    victim.reach("ready")
    await until(victim.is_all_noted, within=WITHIN_SECONDS)
    victim.kill("zygote")
    await until(victim.alive, within=WITHIN_SECONDS, satisfied=lambda alive: not alive)
    assert victim.pids("shk-spawner")
    victim.kill("runner")
    await nothing_is_left(victim)


async def test_reaper_that_is_asked_to_end_ends_the_run(victim: Victim):
    victim.reach("ready")
    (reaper,) = victim.pids("shk-reaper")
    os.kill(reaper, signal.SIGTERM)
    await nothing_is_left(victim)


async def test_next_run_sweeps_after_all_were_killed_together(plain_victim: Victim, settings):
    """Kill everybody who could sweep, let the run look old, open another one in the same home.

    Components die with their parents even so; what they started, and what they held, waits.
    """
    victim = plain_victim
    victim.reach("ready")
    await until(victim.is_all_noted, within=WITHIN_SECONDS)
    victim.kill("reaper", "spawner", "zygote", "cluster", "shared", "runner")
    await until(lambda: not victim.alive(), within=WITHIN_SECONDS)
    (abandoned,) = victim.home.glob(directories.PREFIX + "*")
    os.utime(abandoned, (0, 0))
    async with await Supervisor.open(settings) as run:
        await until(lambda: not abandoned.exists(), within=WITHIN_SECONDS)
        assert run.run_directory.exists()
    await nothing_is_left(victim)


def test_mark_of_a_run_has_one_name():
    assert sweep.MARK == settings_module.RUN  # sweep cannot import that


async def nothing_is_left(victim: Victim) -> None:
    await until(
        victim.left,
        within=WITHIN_SECONDS,
        satisfied=lambda left: not left,
        describe="what is left of the run",
    )


def start(home: Path, data: Path, *components: str) -> Iterator[Victim]:
    with subprocess.Popen(
        [sys.executable, str(data / "victim.py"), str(home / "witness"), *components],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        victim = Victim(home, process)
        yield victim
        process.kill()
        for pid in victim.alive():
            os.kill(pid, signal.SIGKILL)


def mentions(pid: int, home: Path) -> bool:
    try:
        texts = [(procfs.PROC / str(pid) / name).read_bytes() for name in ("environ", "cmdline")]
    except OSError:
        return False
    return pid != os.getpid() and any(str(home).encode() in text for text in texts)


def is_alive(pid: int) -> bool:
    found = procfs.stat(pid)
    return found is not None and found.alive


def things_left(held: dict) -> list[str]:
    ports = [each.port for each in procfs.parse_listeners(Path("/proc/net/tcp").read_text())]
    segments = [each.identifier for each in procfs.segments()]
    left = {
        "port": held.get("port") in ports,
        "segment": held.get("segment") in segments,
        "shared": "shared" in held and Path("/dev/shm", held["shared"]).exists(),
    }
    return [f"{name} {held[name]}" for name, there in left.items() if there]
