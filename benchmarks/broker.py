"""Many files of one trivial test each, run by Pants with the broker and without: `python -m benchmarks.broker [FILES]`.

A third run, of files whose test asks for no cluster, is the floor: what Pants, the interpreter and pytest cost whatever the
broker does. The ratio is given of the whole, and of what is above the floor.

Each file is a process and a sandbox of its own, as in projects that batch nothing. The project is a copy of this one's
sources and build files, with nothing but these tests. Pants runs every test (--force), after one run that made the
sandboxes' environment; each run begins without a broker.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
COPIED = ("src", "3rdparty", "build-support", "BUILD", "pants", "pants.toml", "pytest.ini")
FILES = 200
MODES = ("floor", "off", "auto")

CONFTEST = '''"""Quarterdeck under test."""

import pytest

from quarterdeck.testing import system as quarterdeck_system


@pytest.fixture(scope="session")
def system():
    return quarterdeck_system.system
'''
TEST = """async def test_address(cluster):
    assert cluster.address("manager").startswith("http://")
"""
FLOOR_TEST = """async def test_address():
    assert "http://".startswith("http")
"""
BUILD = """python_test_utils(name="conftest", sources=["conftest.py"], dependencies=["//:pytest-plugin"])
python_tests(sources=["test_*.py"], dependencies=["//:pytest-plugin", ":conftest"])
"""


def main() -> int:
    """Measure, and print the seconds and their ratio; returns 1 when a run failed."""
    files = int(sys.argv[1]) if len(sys.argv) > 1 else FILES
    with tempfile.TemporaryDirectory(prefix="shakeout-many-") as made:
        project = Path(made)
        generate(project, 2, TEST)
        run(project, "off")
        seconds = {}
        for mode in MODES:
            generate(project, files, FLOOR_TEST if mode == "floor" else TEST)
            seconds[mode] = run(project, "off" if mode == "floor" else mode)
    for mode, took in seconds.items():
        say(
            f"{files} files, broker {mode:<5} {took:7.1f} s   {1000 * took / files:7.0f} ms a file"
        )
    floor, off, auto = (seconds[mode] for mode in MODES)
    say(
        f"ratio of the whole {auto / off:.3f}; above the floor {(auto - floor) / (off - floor):.3f}"
    )
    return 0


def generate(project: Path, files: int, test: str) -> None:
    """Make the project, or write its files anew."""
    for name in COPIED:
        if (ROOT / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, project / name, dirs_exist_ok=True, ignore=ignored)
        else:
            shutil.copy2(ROOT / name, project / name)
    tests = project / "tests"
    tests.mkdir(exist_ok=True)
    (tests / "conftest.py").write_text(CONFTEST)
    (tests / "BUILD").write_text(BUILD)
    (tests / "manifest.toml").write_text("")
    build = project / "BUILD"
    build.write_text(BUILD_OF_ROOT)
    for number in range(files):
        (tests / f"test_{number:03}.py").write_text(test)


BUILD_OF_ROOT = (
    'target(name="pytest-plugin", dependencies=["//src/shakeout", "//src/quarterdeck/testing"])\n'
)


def run(project: Path, broker: str) -> float:
    """Seconds that Pants takes for all tests; raises CalledProcessError when one fails."""
    environment = {
        **os.environ,
        "PANTS_PANTSD": "false",
        "SHAKEOUT_BROKER": broker,
        "SHAKEOUT_HOME": str(home_of(broker)),
    }
    began = time.monotonic()
    try:
        subprocess.run(
            ["./pants", "test", "--force", "tests::"],
            cwd=project,
            env=environment,
            check=True,
            stdout=subprocess.DEVNULL,
        )
        return time.monotonic() - began
    finally:
        stop(environment)


def home_of(broker: str) -> Path:
    """A short path in memory, for sockets."""
    return Path(f"/dev/shm/shk-many-{broker}")


def stop(environment: dict[str, str]) -> None:
    """End the broker, if there is one."""
    command = [sys.executable, "-m", "shakeout.broker", "stop"]
    paths = {"PYTHONPATH": str(ROOT / "src")}
    subprocess.run(command, env=environment | paths, check=True, stdout=subprocess.DEVNULL)
    shutil.rmtree(environment["SHAKEOUT_HOME"], ignore_errors=True)


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
