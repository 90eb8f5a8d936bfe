"""Skips need a typed reason, and a run that ran too little is red."""

import os
import shutil

import pytest

SKIPS = """
import unittest

import pytest

from shakeout.skips import Prerequisite, skip


def test_typed():
    skip(Prerequisite("user namespaces", "sysctl kernel.unprivileged_userns_clone=1"))


@pytest.fixture
def prepared():
    skip(Prerequisite("four cores", "a bigger machine"))


def test_typed_in_fixture(prepared): pass


def test_untyped():
    pytest.skip("not today")


@pytest.mark.skip(reason="flaky")
def test_marked(): pass


@pytest.mark.skipif(True, reason="always")
def test_condition(): pass


def test_imports():
    pytest.importorskip("no_such_module")


class TestOld(unittest.TestCase):
    def test_unittest(self):
        self.skipTest("old")


@pytest.mark.xfail(reason="known bug")
def test_expected_failure():
    raise AssertionError


@pytest.mark.xfail
def test_expected_failure_that_passes(): pass


def test_imperative_expected_failure():
    pytest.xfail("known bug")
"""

WHOLE_MODULE = "import pytest\npytest.importorskip('no_such_module')\ndef test_a(): pass\n"
ONE = "def test_a(): pass\n"
THREE = """
import pytest
@pytest.mark.parametrize("number", [1, 2, 3])
def test_each(number): pass
"""
SLOW = "import pytest\n@pytest.mark.needs\ndef test_slow(): pass\ndef test_fast(): pass\n"


@pytest.fixture(scope="module")
def skips(module_project):
    module_project.write(test_it=SKIPS, test_module=WHOLE_MODULE)
    code, _ = module_project.run("--continue-on-collection-errors", "--junitxml=report.xml")
    assert code == 1
    return module_project.outcomes()


@pytest.mark.parametrize("test", ["test_typed", "test_typed_in_fixture"])
def test_typed_skip_is_a_skip(skips, test):
    assert skips[test]["skipped"].startswith("prerequisite missing: ")


@pytest.mark.parametrize(
    "test",
    [
        "test_untyped",
        "test_marked",
        "test_condition",
        "test_imports",
        "test_unittest",
        "test_expected_failure",
        "test_expected_failure_that_passes",
        "test_imperative_expected_failure",
    ],
)
def test_any_other_skip_fails(skips, test):
    told = "".join(skips[test].values())
    assert "skipped" not in skips[test]
    assert " without a typed reason: " in told
    assert "Prerequisite(" in told


def test_module_that_skips_itself_fails(skips):
    assert "skip of all of tests/test_module.py without a typed reason" in str(skips)


MANIFEST = """
["tests"]
total = 6
"test_one.py" = 1
"test_slow.py" = 2
"test_three.py" = 3
"""


@pytest.fixture
def gated(project):
    """A project with a manifest of six tests."""
    project.write(test_one=ONE, test_three=THREE, test_slow=SLOW)
    (project.directory / "tests" / "manifest.toml").write_text(MANIFEST)
    return project


def test_gate_lists_every_test(gated):
    path = gated.directory / "tests" / "manifest.toml"
    path.unlink()
    code, output = gated.run("--update", program="shakeout.gate")
    assert code == 0, output
    assert path.read_text().endswith(MANIFEST)


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("-p", "xdist", "-n", "2", "-p", "pytest_randomly"),
        ("tests/test_three.py",),
        ("tests/test_three.py::test_each[1]",),
        ("-m", "not needs"),
    ],
    ids=" ".join,
)
def test_gate_is_green_when_all_ran_that_was_asked_for(gated, arguments):
    code, output = gated.run(*arguments)
    assert code == 0, output


@pytest.mark.parametrize(
    "option",
    [
        "-m 'not needs'",
        "--deselect=tests/test_slow.py",
    ],
)
def test_gate_is_red_when_the_configuration_leaves_tests_out(gated, option):
    gated.config(f"-p shakeout.plugin {option}")
    code, output = gated.run()
    assert code == 1
    assert "too few: tests/test_slow.py: " in output


def test_gate_is_red_when_a_file_was_deleted(gated):
    (gated.directory / "tests" / "test_three.py").unlink()
    code, output = gated.run()
    assert code == 1
    assert "too few: tests: 3 of 6 tests ran" in output
    assert "too few: tests/test_three.py: 0 of 3 tests ran" in output


def test_gate_is_red_when_a_conftest_drops_tests(gated):
    (gated.directory / "conftest.py").write_text(
        "def pytest_collection_modifyitems(items):\n    items[:] = items[:1]\n"
    )
    code, output = gated.run("-p", "xdist", "-n", "2")
    assert code == 1, output


def test_gate_is_red_when_a_test_is_not_listed(gated):
    gated.write(test_new=ONE)
    code, output = gated.run()
    assert code == 1
    assert "not in the manifest: tests/test_new.py: 1 of 0 tests ran" in output
    assert "python -m shakeout.gate --update" in output
    assert gated.run("tests/test_new.py")[0] == 0, "while it is written it may run alone"


RERUNS = """
import pytest

@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    again = pytest.TestReport(item.nodeid, item.location, {}, "rerun", None, "call")
    item.ihook.pytest_runtest_logreport(report=again)
    return (yield)

def pytest_report_teststatus(report):
    return ("rerun", "R", "RERUN") if report.outcome == "rerun" else None
"""


def test_gate_takes_outcomes_of_other_plugins_for_what_comes_before_the_last_word(gated):
    """Plugins that repeat tests have a word of their own for it. Report each test so before it runs."""
    conftest = gated.directory / "conftest.py"
    conftest.write_text(conftest.read_text() + RERUNS)
    code, output = gated.run("-p", "no:randomly")
    assert code == 0, output
    assert "6 passed, 6 rerun" in output


def test_gate_does_not_judge_a_run_that_stopped(gated):
    gated.write(test_one="def test_a(): raise AssertionError\n")
    code, output = gated.run("-x", "-p", "no:randomly")
    assert code == 1
    assert "not judged: the run was stopped early" in output


def test_gate_refuses_a_manifest_that_was_bent(gated):
    path = gated.directory / "tests" / "manifest.toml"
    path.write_text(path.read_text().replace('"test_three.py" = 3', '"test_three.py" = 1'))
    code, output = gated.run()
    assert code == pytest.ExitCode.USAGE_ERROR
    assert "total is not the sum of its files" in output


def test_gate_does_not_update_while_tests_are_deselected(gated):
    gated.config("-p shakeout.plugin -m 'not needs'")
    code, output = gated.run("--update", program="shakeout.gate")
    assert code == 2
    assert "deselects 1 tests" in output


def test_gate_sums_reports(gated):
    """As Pants writes them: one file a target or batch, all in one go, old ones left in place."""
    reports = gated.directory / "dist" / "test" / "reports"
    for name in ("test_one", "test_slow", "test_three"):
        gated.run(f"tests/{name}.py", f"--junitxml={reports}/{name}.xml")
        os.utime(reports / f"{name}.xml", (1000, 1000))
    code, output = gated.run(program="shakeout.gate")
    assert code == 0, output
    assert output.splitlines()[-1] == "6 passed, 0 failed, 0 skipped"
    shutil.move(reports / "test_slow.xml", reports / "batch-of-test_slow+1-files.xml")
    os.utime(reports / "batch-of-test_slow+1-files.xml", (900, 900))
    code, output = gated.run(program="shakeout.gate")
    assert code == 1
    assert (
        "ignored, from an earlier run: dist/test/reports/batch-of-test_slow+1-files.xml" in output
    )
    assert "too few: tests/test_slow.py: 0 of 2 tests ran" in output
    assert output.splitlines()[-1] == "4 passed, 0 failed, 0 skipped"


def test_any_skip_is_fine_where_nobody_asked_for_typed_ones(project):
    """The plugin comes with the package: it must not judge projects that know nothing of it."""
    ini = project.directory / "pytest.ini"
    ini.write_text(ini.read_text().replace("shakeout_typed_skips = true\n", ""))
    project.write(test_a="import pytest\n@pytest.mark.skip(reason='so')\ndef test_a(): pass\n")
    code, output = project.run()
    assert code == 0, output
    assert "1 skipped" in output


EARLY = """
import asyncio
import inspect

import pytest

runs = False


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef):
    function = fixturedef.func
    if inspect.iscoroutinefunction(function):
        fixturedef.func = lambda: asyncio.run(function())
    return (yield)


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    global runs
    if "anyio_backend" in pyfuncitem.fixturenames:
        runs = True
        asyncio.run(pyfuncitem.obj(pyfuncitem.funcargs["tide"]))
        return True
"""
ASYNCHRONOUS = """
import early
import pytest


@pytest.fixture
async def tide():
    return "high"


def test_fixture(tide):
    assert tide == "high"


@pytest.mark.usefixtures("anyio_backend")
async def test_elsewhere(tide):
    assert early.runs
    assert tide == "high"
"""


def test_coroutines_of_other_plugins_stay_theirs(project):
    """The plugin comes with the package: it must not break fixtures and tests that run on the loops of others.

    Load a plugin before it that runs them as pytest-asyncio and anyio do.
    """
    (project.directory / "early.py").write_text(EARLY)
    project.config("-p early -p shakeout.plugin")
    project.write(test_a=ASYNCHRONOUS)
    code, output = project.run("-p", "no:cacheprovider")
    assert code == 0, output
    assert "2 passed" in output
