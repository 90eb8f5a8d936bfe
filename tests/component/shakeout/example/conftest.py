"""The example as somebody finds it who has only the wheel: copied out, in a virtual environment of its own."""

import dataclasses
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
import uv

from shakeout import mortal, settings

ROOT = Path(__file__).parents[4]
NAME = "celery_orders"
BUILD = (
    "import sys; from setuptools import build_meta; build_meta.__legacy__.build_wheel(sys.argv[1])"
)


@dataclasses.dataclass(frozen=True)
class Ended:
    """A program that has ended."""

    code: int
    output: str


class Newcomer:
    """Has a directory with the example, the wheel, and an environment in which both are installed."""

    def __init__(self, directory):
        self.example = directory / NAME
        self.environment = directory / "venv"
        self.wheel = build(directory)
        made = shutil.ignore_patterns("dist", ".venv", "__pycache__")
        shutil.copytree(ROOT / "examples" / NAME, self.example, ignore=made)
        python = self.environment / "bin" / "python"
        run(uv.find_uv_bin(), "venv", "--quiet", "--python", sys.executable, str(self.environment))
        install = (uv.find_uv_bin(), "pip", "install", "--quiet", "--python", str(python))
        lock = self.example / "requirements.lock"
        run(*install, "--require-hashes", "--no-deps", "--requirement", str(lock))
        run(*install, "--no-deps", str(self.wheel))

    def run(self, program, *arguments):
        """Run a program of the environment in the example's directory."""
        command = mortal.command(str(self.environment / "bin" / program), *arguments)
        known = settings.read()
        ran = subprocess.run(
            command,
            cwd=self.example,
            env={
                **known.inherited,
                settings.HOME: str(known.home),
                settings.CACHE: str(known.cache),
                settings.BROKER_IDLE: "1",
                "COLUMNS": "80",
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return Ended(ran.returncode, ran.stdout)

    def outcomes(self):
        """What each test of the last run came to, from its report.xml."""
        cases = ElementTree.parse(self.example / "report.xml").iter("testcase")
        return {
            f"{case.get('classname')}.{case.get('name')}": [
                part.tag for part in case if part.tag != "properties"
            ]
            for case in cases
        }


def build(directory):
    """Build Shakeout's wheel from a copy of the tree; returns its path."""
    tree = directory / "tree"
    for part in ("src/shakeout", "wheels/shakeout"):
        shutil.copytree(ROOT / part, tree / part, ignore=shutil.ignore_patterns("__pycache__"))
    environment = {**settings.read().inherited, "PYTHONPATH": ":".join(sys.path)}
    run(sys.executable, "-c", BUILD, str(directory), cwd=tree / "wheels/shakeout", env=environment)
    [wheel] = directory.glob("shakeout-*.whl")
    return wheel


def run(*command, **how):
    """Run a program that must not fail; its output is told if it does."""
    ran = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, **how
    )
    assert ran.returncode == 0, ran.stdout


@pytest.fixture(scope="session")
def newcomer(tmp_path_factory):
    """One environment for all tests of this directory."""
    return Newcomer(tmp_path_factory.mktemp("newcomer"))
