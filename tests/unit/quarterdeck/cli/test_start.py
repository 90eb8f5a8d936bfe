"""How `qd` starts, in a process of its own: what a command does not need is not loaded, and Ctrl-C is no crash."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SECONDS_MAX = 60
SLOW = {
    "aiohttp",
    "asyncio",
    "concurrent",
    "email",
    "logging",
    "msgspec",
    "ssl",
    "typing_extensions",
    "unicodedata",
}
COMPLETES = """
import sys
from quarterdeck.cli.__main__ import main
main(["__complete", "session", "ls", "--"])
print(*sys.modules)
"""
LOADS = "import sys; from quarterdeck.cli import arguments, run; print(*sys.modules)"
INTERRUPTED = """
import signal, sys

class Interrupt:
    def find_spec(name, path=None, target=None):
        if name == "{module}":
            signal.raise_signal(signal.SIGINT)

sys.meta_path.insert(0, Interrupt)
from quarterdeck.cli.__main__ import main
sys.exit(main(["session", "ls"]))
"""


def python(code):
    """Run code in another interpreter, with the paths of this one."""
    return subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        check=False,
    )


def script_into(output):
    """Have the script of bash written there; return the exit code and the complaint."""
    ran = subprocess.run(
        [sys.executable, "-m", "quarterdeck.cli", "completion", "bash"],
        env={"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        stdout=output,
        stderr=subprocess.PIPE,
        text=True,
        timeout=SECONDS_MAX,
        check=False,
    )
    return ran.returncode, ran.stderr


def test_commands_do_not_wait_for_what_they_do_not_need():
    """What people type all day starts fast. Load all commands; of modules that take tens of milliseconds there is none."""
    loaded = {name.partition(".")[0] for name in python(LOADS).stdout.split()}
    assert "quarterdeck" in loaded
    assert loaded & SLOW == set()


def test_completing_options_loads_no_platform():
    """Tab is answered as soon as help is. Complete options; what speaks with the platform is not loaded."""
    *options, loaded = python(COMPLETES).stdout.splitlines()
    assert any(each.startswith("--status") for each in options)
    assert "quarterdeck.client.transport" not in loaded.split()
    assert {name.partition(".")[0] for name in loaded.split()} & SLOW == set()


def test_script_that_nobody_reads_ends_quietly():
    """A shell that has gone needs no words. Close the other end of the pipe before it is written."""
    reads, writes = os.pipe()
    os.close(reads)
    with os.fdopen(writes, "w") as pipe:
        assert script_into(pipe) == (141, "")


def test_script_that_finds_no_room_says_so():
    """It ends as other commands do. Write it to a full device."""
    with Path("/dev/full").open("w") as full:
        assert script_into(full) == (1, "qd: standard output: No space left on device\n")


@pytest.mark.parametrize("module", ["cli.arguments", "cli.run", "client.transport"])
def test_interrupt_while_it_starts_is_no_crash(module):
    """Ctrl-C may come at any moment. Send it while a module is loaded; it ends as it does later, and says nothing."""
    ended = python(INTERRUPTED.format(module=f"quarterdeck.{module}"))
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "")
