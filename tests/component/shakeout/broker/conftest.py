"""Fixtures of the broker's tests: brokers of a home of their own, and what is left of them."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

import pytest

from shakeout import mortal
from shakeout import settings as settings_module
from shakeout.broker import protocol
from shakeout.broker.client import Client
from shakeout.process import directories, procfs
from shakeout.process import protocol as packets
from shakeout.settings import Settings
from shakeout.waiting.until import until

DATA = Path(__file__).parent / "data"
CONFTEST = """
import harbour
import pytest

@pytest.fixture(scope="session")
def system():
    return harbour.small
"""
ASK_AS_STRANGER = """
import os, socket, sys
os.setuid(int(sys.argv[2]))  # only now: another user need not be able to run this interpreter
end = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
end.connect(sys.argv[1])
end.send(b'{"do":"stop","version":1,"token":1}')
print(end.recv(4096).decode())
"""
NOBODY = 65534


class Brokers:
    """The brokers of one home, and those who lease from them."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.settings = settings(home)
        self.runs: set[str] = set()

    def client(self, **changed) -> Client:
        return Client(settings(self.home, **changed))

    async def lease(self, system, replicas=None, *, private=False, **changed):
        return await self.client(**changed).lease(
            system, replicas or {}, durable=False, private=private
        )

    def sockets(self) -> list[Path]:
        return protocol.find(self.home)

    def status(self) -> dict:
        """What the only broker says of itself."""
        (path,) = self.sockets()
        return self.say(path, {"do": "status", "version": protocol.VERSION})

    def say(self, path: Path, message: dict) -> dict:
        with protocol.connect(path) as end:
            packets.send(end, {"token": 1, **message})
            answered = packets.receive(end)
        assert answered is not None
        return answered[0]

    def clusters(self) -> list[str]:
        """Names of the clusters that have a directory."""
        return sorted(path.name for path in self.home.glob("shk-*/c*") if path.is_dir())

    def left(self) -> str:
        """What is there of brokers: directories and processes."""
        runs = {path.name for path in self.home.glob("shk-*")}
        self.runs |= runs
        if runs:
            return " ".join(runs)
        marks = {each.pid: procfs.environ(each.pid) for each in procfs.everyone()}
        return " ".join(
            f"{pid} {found.get(settings_module.RUN)}"
            for pid, found in marks.items()
            if found.get(settings_module.HOME) == str(self.home)
            or found.get(settings_module.RUN) in self.runs
        )

    def is_settled(self) -> bool:
        """Whether every directory of a cluster belongs to one that is there, and none is being made."""
        told = self.status()
        there: int = told["fresh"] + told["used"] + told["leased"]
        return told["booting"] == 0 and len(self.clusters()) == there

    def kill(self) -> None:
        os.kill(self.status()["pid"], signal.SIGKILL)

    def leaser(self, *arguments: str) -> subprocess.Popen[bytes]:
        """A process that leases and returns without end; see `data/leaser.py`."""
        command = mortal.command(sys.executable, str(DATA / "leaser.py"), *arguments)
        return subprocess.Popen(command, env=self.environment(), stdout=subprocess.PIPE)

    def ask_as_stranger(self, path: Path) -> str:
        """What another user is answered who says stop."""
        command = [sys.executable, "-I", "-S", "-c", ASK_AS_STRANGER, str(path), str(NOBODY)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.stdout + done.stderr

    def stop(self) -> None:
        for path in self.sockets():
            with contextlib.suppress(OSError):
                self.say(path, {"do": "stop", "version": protocol.VERSION})

    def environment(self, **more: str) -> dict[str, str]:
        return {
            **self.settings.inherited,
            settings_module.HOME: str(self.home),
            settings_module.CACHE: str(self.settings.cache),
            "PYTHONPATH": os.pathsep.join(sys.path),
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            **more,
        }


class Project:
    """Tests of `harbour.small`, run by pytest in a process of their own."""

    def __init__(self, directory: Path, brokers: Brokers) -> None:
        self.directory = directory
        self.brokers = brokers
        (directory / "conftest.py").write_text(CONFTEST)
        addopts = "-p shakeout.plugin --import-mode=importlib"
        (directory / "pytest.ini").write_text(f"[pytest]\naddopts = {addopts}\n")

    def write(self, **files: str) -> None:
        for name, text in files.items():
            (self.directory / f"{name}.py").write_text(text)

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen:
        return subprocess.Popen(
            mortal.command(sys.executable, "-m", "pytest", *arguments),
            cwd=self.directory,
            env=self.brokers.environment(**environment),
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def run(self, *arguments: str, **environment: str) -> tuple[int, str]:
        """Exit code and output."""
        with self.start(*arguments, **environment) as process:
            output = process.communicate()[0]
        return process.returncode, output


def settings(home: Path, **changed) -> Settings:
    known = settings_module.read()
    chosen = {"home": home, "cache": known.cache, "inherited": known.inherited, **changed}
    return Settings(broker=True, **{"broker_idle_seconds": 60.0, **chosen})


@pytest.fixture
def brokers(shakeout_runner):
    """No broker as yet; in the end there is none again, whatever the test did."""
    made = Path(tempfile.mkdtemp(prefix="shk-t", dir=settings_module.read().home.parent))
    found = Brokers(made)
    yield found
    found.stop()
    shakeout_runner.run(until(found.left, within=20, satisfied=lambda left: not left))
    directories.remove(made)


@pytest.fixture
def project(tmp_path, brokers):
    return Project(tmp_path, brokers)


@pytest.fixture
def ask():
    """`ask(cluster, "dinghy")`: what a component of the example says of itself."""

    def get(cluster, member="dinghy", path="/"):
        with urllib.request.urlopen(cluster.address(member) + path) as answer:
            return json.load(answer)

    return get
