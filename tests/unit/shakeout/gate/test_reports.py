"""Reading JUnit reports: whose they are, what they say, and which are left over from earlier runs."""

import json
import os
from pathlib import Path

import pytest

from shakeout.gate import __main__ as command
from shakeout.gate import errors, reports
from shakeout.gate.manifest import Manifest
from shakeout.gate.tally import Outcome

PROPERTY = '<properties><property name="nodeid" value="{}"/></properties>'


def report(path: Path, *cases: str, written: float = 1000.0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"<testsuites><testsuite>{''.join(cases)}</testsuite></testsuites>")
    os.utime(path, (written, written))
    return path


def case(nodeid: str, inside: str = "") -> str:
    return f'<testcase classname="x" name="y">{PROPERTY.format(nodeid)}{inside}</testcase>'


@pytest.mark.parametrize(
    ("inside", "outcome"),
    [
        ("", Outcome.PASSED),
        ("<system-out>words</system-out>", Outcome.PASSED),
        ('<failure message="m"/>', Outcome.FAILED),
        ('<error message="failed on setup"/>', Outcome.FAILED),
        ('<skipped message="prerequisite missing: root (be root)"/>', Outcome.SKIPPED),
        ('<skipped message="not today"/>', Outcome.FAILED),
        (
            '<skipped message="prerequisite missing: root"/><error message="teardown"/>',
            Outcome.FAILED,
        ),
    ],
)
def test_report_tells_outcomes(tmp_path, inside, outcome):
    (ran,) = reports.read(report(tmp_path / "a.xml", case("tests/test_a.py::a", inside)))
    assert (ran.nodeid, ran.outcome) == ("tests/test_a.py::a", outcome)


@pytest.mark.parametrize(
    ("classname", "name", "nodeid"),
    [
        ("tests.unit.test_a", "test_x[1.5]", "tests/unit/test_a.py::test_x[1.5]"),
        ("tests.unit.test_a.TestIt", "test_x", "tests/unit/test_a.py::TestIt::test_x"),
        ("", "tests.unit.test_a", "tests/unit/test_a.py"),
    ],
)
def test_report_without_property_is_guessed(tmp_path, classname, name, nodeid):
    written = report(tmp_path / "a.xml", f'<testcase classname="{classname}" name="{name}"/>')
    assert [ran.nodeid for ran in reports.read(written)] == [nodeid]


def test_report_that_was_cut_off_is_refused(tmp_path):
    path = tmp_path / "a.xml"
    path.write_text("<testsuites><testsuite>")
    with pytest.raises(errors.ReportUnreadable):
        list(reports.read(path))


def test_reports_of_one_go_belong_together(tmp_path):
    written = [report(tmp_path / f"{n}.xml", written=1000 + 0.9 * n) for n in range(4)]
    assert set(reports.find([tmp_path]).fresh) == set(written)


def test_reports_of_earlier_runs_are_stale(tmp_path):
    old = report(tmp_path / "batch-of-a+1-files.xml", written=998.9)
    new = [report(tmp_path / f"{n}.xml", written=1000) for n in range(2)]
    found = reports.find([tmp_path])
    assert set(found.fresh) == set(new)
    assert found.stale == (old,)


def test_report_given_by_name_is_never_stale(tmp_path):
    old, new = (report(tmp_path / f"{n}.xml", written=n * 100) for n in (1, 2))
    assert reports.find([old, new]).fresh == (old, new)


@pytest.mark.parametrize("name", ["", "nowhere", "missing.xml"])
def test_reports_must_be_there(tmp_path, name):
    with pytest.raises(errors.ReportsMissing):
        reports.find([tmp_path / name])


@pytest.fixture
def gate(tmp_path, capsys):
    """Runs the command over a manifest of two tests; returns exit code and output lines."""
    path = tmp_path / "manifest.toml"
    path.write_text(Manifest({"tests/a/test_a.py": 1, "tests/b/test_b.py": 1}).render())

    def run(*arguments: str):
        code = command.main([str(tmp_path / "reports"), "--manifest", str(path), *arguments])
        return code, capsys.readouterr().out.splitlines()

    return run


A, B = case("tests/a/test_a.py::a"), case("tests/b/test_b.py::b")


def test_gate_is_green(gate, tmp_path):
    report(tmp_path / "reports" / "a.xml", A, B)
    assert gate() == (0, ["gate: green, 1 reports", "2 passed, 0 failed, 0 skipped"])


def test_gate_is_red_when_a_test_failed(gate, tmp_path):
    report(tmp_path / "reports" / "a.xml", A, case("tests/b/test_b.py::b", "<failure/>"))
    code, lines = gate()
    assert code == 1
    assert "failed: tests/b/test_b.py::b" in lines
    assert lines[-1] == "1 passed, 1 failed, 0 skipped"


def test_gate_is_red_when_tests_are_missing(gate, tmp_path):
    report(tmp_path / "reports" / "a.xml", A)
    code, lines = gate()
    assert code == 1
    assert "too few: tests/b/test_b.py: 0 of 1 tests ran" in lines
    assert gate("--under", "tests/a")[0] == 0


@pytest.mark.parametrize("directory", ["tests/a", "./tests/a/", "tests//a"])
def test_gate_judges_a_part_however_it_is_spelt(gate, tmp_path, directory):
    """A part that lost its tests is red. Say the part in several ways."""
    report(tmp_path / "reports" / "a.xml", B)
    code, lines = gate("--under", directory)
    assert code == 1
    assert "too few: tests/a/test_a.py: 0 of 1 tests ran" in lines


@pytest.mark.parametrize("directory", ["tests/aa", "tests/a/test_a.py", "/tests/a"])
def test_gate_cannot_judge_a_part_that_does_not_exist(gate, tmp_path, directory):
    """Nothing judged is not green. Ask for a directory that holds no test, beside one that does."""
    report(tmp_path / "reports" / "a.xml", A, B)
    assert gate("--under", "tests/b", "--under", directory)[0] == 2


def test_gate_shows_typed_skips(gate, tmp_path):
    skip = '<skipped message="prerequisite missing: root (be root)"/>'
    report(tmp_path / "reports" / "a.xml", A, case("tests/b/test_b.py::b", skip))
    code, lines = gate()
    assert code == 0
    assert "skipped: tests/b/test_b.py::b: prerequisite missing: root (be root)" in lines
    assert lines[-1] == "1 passed, 0 failed, 1 skipped"


def test_gate_cannot_judge_without_reports(gate):
    assert gate() == (2, ["0 passed, 0 failed, 0 skipped"])


def test_gate_that_cannot_judge_speaks_json(gate):
    code, (line,) = gate("--json")
    assert code == 2
    assert json.loads(line)["verdict"] == "unknown"


def test_gate_speaks_json(gate, tmp_path):
    report(tmp_path / "reports" / "a.xml", A)
    code, lines = gate("--json")
    assert code == 1
    assert '"verdict": "red", "passed": 1, "failed": 0' in lines[0]
    assert len(lines) == 1
