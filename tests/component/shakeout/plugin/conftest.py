"""A project of its own, with the example system, in which tests run pytest as a subprocess."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from shakeout import mortal, settings

EXAMPLE = Path(__file__).parent / "example"
ADDOPTS = (
    "-p shakeout.plugin --import-mode=importlib --strict-markers --strict-config "
    "--outcomes=outcomes.jsonl"
)


class Project:
    """A directory with tests, and the results of running them."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.config(ADDOPTS)
        shutil.copy(EXAMPLE / "parts.py", directory)
        shutil.copy(EXAMPLE / "system_conftest.py", directory / "conftest.py")

    def config(self, addopts: str) -> None:
        text = f"[pytest]\npythonpath = .\naddopts = {addopts}\nfilterwarnings = error\nshakeout_typed_skips = true\n"
        (self.directory / "pytest.ini").write_text(text)

    def write(self, **files: str) -> None:
        for name, text in files.items():
            path = self.directory / "tests" / f"{name}.py"
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)

    def start(self, *arguments: str, program: str = "pytest") -> subprocess.Popen[str]:
        known = settings.read()
        environment = {
            **known.inherited,
            settings.HOME: str(known.home),
            settings.CACHE: str(known.cache),
            settings.BROKER: "off",
            "PYTHONPATH": os.pathsep.join(sys.path),
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        }
        command = mortal.command(sys.executable, "-m", program, *arguments)
        return subprocess.Popen(
            command, cwd=self.directory, env=environment, text=True, stdout=-1, stderr=-2
        )

    def run(self, *arguments: str, program: str = "pytest") -> tuple[int, str]:
        """Exit code and output."""
        with self.start(*arguments, program=program) as process:
            output = process.communicate()[0]
        return process.returncode, output

    def outcomes(self) -> dict[str, dict[str, str]]:
        """By test: what its report says by kind (`failure`, `error`, `skipped`), from report.xml."""
        found: dict[str, dict[str, str]] = {}
        for case in ElementTree.parse(self.directory / "report.xml").iter("testcase"):
            told = {part.tag: part.get("message", "") + (part.text or "") for part in case}
            found.setdefault(case.get("name", ""), {}).update(told, seconds=case.get("time", ""))
        return found

    def properties(self) -> dict[str, dict[str, str]]:
        """By test: the properties that its report gives it, from report.xml."""
        cases = ElementTree.parse(self.directory / "report.xml").iter("testcase")
        return {
            case.get("name", ""): {
                each.get("name", ""): each.get("value", "") for each in case.iter("property")
            }
            for case in cases
        }


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


@pytest.fixture(scope="module")
def module_project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """One for all tests of a file, which look at the same run."""
    return Project(tmp_path_factory.mktemp("project"))
