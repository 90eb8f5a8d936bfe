"""The gate inside of pytest: judges a run at its end, as far as its command line asked for it.

Who names files or directories on the command line gets those judged; who selects by keyword, mark
or node id gets no verdict. What the configuration leaves out (addopts, ini files, conftest) is
missing all the same. A sandbox of Pants has the manifest, too. Without one, only `python -m
shakeout.gate` judges.
"""

from argparse import Namespace
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from shakeout.gate import errors, verdict
from shakeout.gate import manifest as manifests
from shakeout.gate.manifest import Manifest
from shakeout.gate.tally import NODEID, Outcome, Ran, Tally

TYPED = pytest.StashKey[Namespace]()
JUDGED_EXITS = (
    pytest.ExitCode.OK,
    pytest.ExitCode.TESTS_FAILED,
    pytest.ExitCode.NO_TESTS_COLLECTED,
)
SELECTIONS: Mapping[str, str] = {
    "keyword": "-k",
    "markexpr": "-m",
    "deselect": "--deselect",
    "ignore": "--ignore",
    "ignore_glob": "--ignore-glob",
    "lf": "--last-failed",
    "stepwise": "--stepwise",
}


@dataclass(frozen=True)
class Asked:
    """What the command line asked for, and not the configuration."""

    selections: tuple[str, ...] = ()
    """Options that select single tests."""
    paths: tuple[str, ...] = ()
    """Files and directories relative to the root, with node ids; empty for everything."""

    def covers(self, file: str) -> bool:
        """Whether all tests of the file were asked for."""
        if any(path.startswith(f"{file}::") for path in self.paths):
            return False
        if not self.paths:
            return True
        return any(
            file == path or path == "." or file.startswith(f"{path}/") for path in self.paths
        )


class InProcessGate:
    """Counts the tests of one run and judges it at the end."""

    def __init__(self, manifest: Manifest, asked: Asked) -> None:
        self.tally = Tally()
        self.lines: list[str] = []
        self._manifest = manifest
        self._asked = asked

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        outcome = Outcome.__members__.get(report.outcome.upper())
        if outcome is None:
            return  # another plugin's word for something in between, such as a rerun to come
        if report.when == "call" or outcome is not Outcome.PASSED:
            self.tally.add(Ran(report.nodeid, outcome, _reason(report)))

    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        if exitstatus not in JUDGED_EXITS or session.shouldfail or session.shouldstop:
            self.lines = ["not judged: the run was stopped early"]
        elif self._asked.selections:
            self.lines = [f"not judged: tests were selected by {' '.join(self._asked.selections)}"]
        elif self._is_red() and exitstatus in (
            pytest.ExitCode.OK,
            pytest.ExitCode.NO_TESTS_COLLECTED,
        ):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        skipped = [f"skipped: {ran.nodeid}: {ran.reason}" for ran in self.tally.skips()]
        if skipped or self.lines:
            terminalreporter.section("gate")
        for line in skipped + self.lines:
            terminalreporter.line(line)

    def _is_red(self) -> bool:
        found = verdict.differences(self._manifest, self.tally, self._asked.covers)
        fewer = [each for each in found if each.fewer]
        self.lines = verdict.explain(fewer if self._asked.paths else found)
        return bool(self.lines)


@pytest.hookimpl
def pytest_load_initial_conftests(early_config: pytest.Config, parser: pytest.Parser) -> None:
    """Remember what was typed: addopts and the environment are configuration."""
    typed = [str(argument) for argument in early_config.invocation_params.args]
    early_config.stash[TYPED] = parser.parse_known_args(typed)


def pytest_configure(config: pytest.Config) -> None:
    path = config.rootpath / manifests.DEFAULT_PATH
    if hasattr(config, "workerinput") or config.option.collectonly or not path.exists():
        return
    try:
        listed = manifests.read(path)
    except errors.ManifestBroken as error:
        raise pytest.UsageError(str(error)) from error
    gate = InProcessGate(listed, asked(config.stash[TYPED], config))
    config.pluginmanager.register(gate, "shakeout-gate")


def _reason(report: pytest.TestReport) -> str:
    """Of a skip."""
    return report.longrepr[2] if isinstance(report.longrepr, tuple) else ""


def asked(typed: Namespace, config: pytest.Config) -> Asked:
    """What the command line asks for."""
    selections = tuple(name for key, name in SELECTIONS.items() if getattr(typed, key, None))
    here = config.invocation_params.dir
    paths: Sequence[str] = typed.file_or_dir or ([] if here == config.rootpath else ["."])
    return Asked(selections, tuple(_from_root(here, config.rootpath, path) for path in paths))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Name each test in the reports as pytest names it; class and name alone are ambiguous."""
    for item in items:
        item.user_properties.append((NODEID, item.nodeid))


def _from_root(here: Path, root: Path, typed: str) -> str:
    file, separator, rest = typed.partition("::")
    path = (here / file).resolve()
    relative = path.relative_to(root).as_posix() if path.is_relative_to(root) else path.as_posix()
    return relative + separator + rest
