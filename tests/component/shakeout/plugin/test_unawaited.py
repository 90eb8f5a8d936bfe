"""A forgotten `await`: the test fails, whatever warnings are in its project."""

import pytest

TESTS = """
import warnings

import pytest


async def work():
    pass


async def test_forgets():
    work()


def test_forgets_without_a_loop():
    kept = [work(), work()]


@pytest.fixture
def forgetful():
    yield
    work()


def test_innocent(forgetful): pass


def test_fails_anyway():
    work()
    assert not "this"


@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited")
def test_means_it():
    work()


def test_expects_it():
    with pytest.warns(RuntimeWarning, match="never awaited"):
        work()


def test_closes():
    work().close()


async def test_awaits():
    await work()


def test_warns(recwarn):
    warnings.warn("something else")
    assert len(recwarn) == 1
"""


@pytest.fixture(scope="module")
def ran(module_project):
    """The tests, in a project whose warnings are only shown."""
    module_project.write(test_it=TESTS)
    arguments = ("--junitxml=report.xml", "-p", "no:cacheprovider", "-W", "default")
    code, output = module_project.run(*arguments)
    assert code == 1, output
    return module_project.outcomes(), output


@pytest.mark.parametrize("test", ["test_forgets", "test_forgets_without_a_loop"])
def test_test_that_forgets_to_await_fails_and_names_the_coroutine(ran, test):
    """What was not awaited did not happen. Make a coroutine and throw it away."""
    told, output = ran
    assert "coroutine 'work' was never awaited, and did nothing" in told[test]["failure"]
    assert "cause: NeverAwaited: coroutine 'work' was never awaited" in output


def test_fixture_that_forgets_to_await_fails_its_test(ran):
    """The same in the clean-up of a fixture."""
    told, _ = ran
    assert "coroutine 'work' was never awaited" in told["test_innocent"]["error"]


def test_failure_of_the_test_itself_comes_first(ran):
    told, _ = ran
    assert "this" in told["test_fails_anyway"]["failure"]
    assert "error" not in told["test_fails_anyway"]


@pytest.mark.parametrize(
    "test", ["test_means_it", "test_expects_it", "test_closes", "test_awaits", "test_warns"]
)
def test_what_is_meant_and_what_is_awaited_fails_nothing(ran, test):
    """Whoever ignores the warning, expects it or closes the coroutine knows of it."""
    told, _ = ran
    assert not {"failure", "error"} & told[test].keys()


def test_warnings_are_shown_all_the_same(ran):
    _, output = ran
    assert "RuntimeWarning: coroutine 'work' was never awaited" in output
