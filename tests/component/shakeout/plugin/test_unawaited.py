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


BLAMED = """
import gc

import pytest


async def work():
    pass


def test_fails_with_work_in_hand():
    pending = work()
    assert not "this"


def test_after_it(): pass


@pytest.fixture
def failing():
    pending = work()
    raise ValueError("no")


def test_not_set_up(failing): pass


def test_that_collects():
    gc.collect()
"""


@pytest.mark.parametrize("warned", ["default", "error"])
def test_next_test_does_not_answer_for_what_a_failed_one_has_left(project, warned):
    """A traceback holds coroutines until a later test throws it away. Fail with one in hand, in a test and in a fixture."""
    project.write(test_it=BLAMED)
    project.run(
        "--junitxml=report.xml", "-p", "no:cacheprovider", "-p", "no:randomly", "-W", warned
    )
    told = project.outcomes()
    assert "this" in told["test_fails_with_work_in_hand"]["failure"]
    assert "no" in told["test_not_set_up"]["error"]
    for innocent in ("test_after_it", "test_that_collects"):
        assert not {"failure", "error"} & told[innocent].keys()


TRACED = """
import tracemalloc


def test_opens():
    tracemalloc.start(5)
    open("/dev/null")
"""


def test_warnings_keep_where_a_thing_was_made(project):
    """pytest tells of an unclosed file where it was opened, once the test is over. Trace allocations, and open one."""
    project.write(test_it=TRACED)
    _, output = project.run("-p", "no:cacheprovider", "-W", "default")
    assert "Object allocated at:" in output
