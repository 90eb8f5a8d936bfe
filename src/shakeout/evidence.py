"""Evidence of tests: hooks of pytest that record what happens, judge how a test ended, and leave its page.

`shakeout.usage` adds what the components of a cluster logged and used; `shakeout.classify` the reruns; and
`shakeout.sessions` sums up. A test without a cluster costs nothing here unless it fails.
"""

import contextlib
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from shakeout import harness, settings
from shakeout.harness import TESTIMONY
from shakeout.timeline import record

if TYPE_CHECKING:
    from pathlib import Path

    from shakeout.report.model import Rerun
    from shakeout.report.testimony import Testimony

VERDICT, CAUSE, RERUN, PAGE = "verdict", "cause", "rerun", "page"
SYSTEM, FAULTS = "system", "faults"
USES_CLUSTER = "shakeout_use"
STEP_SECONDS_MIN = 0.001
ALL = "all"
SECTION = "shakeout"


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Record the test, and write its page when all is known."""
    uses_cluster = USES_CLUSTER in getattr(item, "fixturenames", ())
    with recorded(item) if uses_cluster else _perhaps_recorded(item.config):
        try:
            return (yield)
        except BaseException as error:
            _note_interruption(item, error)
            raise
        finally:
            write(item)


@contextlib.contextmanager
def recorded(item: pytest.Item) -> Iterator["Testimony"]:
    """Gather what happens in one run of a test."""
    from shakeout.report.testimony import Testimony  # noqa: PLC0415 - unit tests leave no evidence

    testimony = item.stash[TESTIMONY] = Testimony(item.nodeid)
    with harness.of(item.config).records(testimony.recording):
        yield testimony


@contextlib.contextmanager
def _perhaps_recorded(config: pytest.Config) -> Iterator[None]:
    """A test that asks for a cluster by `getfixturevalue` is recorded from then on, see `shakeout.usage`."""
    with harness.of(config).records(record.current.get()):
        yield


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(
    fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
) -> Generator[None, object, object]:
    with _step(request.config, f"set up {fixturedef.argname}"):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    with _step(pyfuncitem.config, pyfuncitem.name):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, object, object]:
    with _step(item.config, "tear down"):
        return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        _note_failure(item, call, report)
    elif report.skipped:
        item.user_properties.append((VERDICT, "skipped"))
        if TESTIMONY in item.stash:
            item.stash[TESTIMONY].skipped = True
    if report.when == "teardown":
        tell(item, report)
    return report


def tell(item: pytest.Item, report: pytest.TestReport) -> None:
    """Put what is known into the properties of the test's last report, for JUnit XML and the session's page."""
    known = dict(report.user_properties)
    told = properties(item)
    if VERDICT in known and VERDICT not in told:
        return
    told.setdefault(VERDICT, "passed")
    kept = [(name, value) for name, value in report.user_properties if name not in told]
    report.user_properties = [*kept, *told.items()]


def properties(item: pytest.Item) -> dict[str, str]:
    """Verdict, cause, page and so on of a test; empty if it passed without a cluster."""
    testimony = item.stash.get(TESTIMONY, None)
    if testimony is None:
        return {}
    found = {
        SYSTEM: testimony.facts.get(SYSTEM, ""),
        FAULTS: testimony.faults(),
        RERUN: "",
        CAUSE: "",
        PAGE: str(page_of(item)) if _leaves_page(item) else "",
    }
    if testimony.failures:
        found |= {CAUSE: testimony.failures[0].cause.sentence, RERUN: rerun_of(item).pytest}
    if testimony.failures or not testimony.skipped:
        found[VERDICT] = testimony.verdict
    return {name: value for name, value in found.items() if value}


def write(item: pytest.Item) -> None:
    """Write the page of a test, if it leaves one."""
    if not _leaves_page(item):
        return
    testimony = item.stash[TESTIMONY]
    from shakeout.report import build  # noqa: PLC0415 - most tests leave no page

    made = harness.of(item.config)
    testimony.facts |= {"seed": str(made.seed), "run": _run_of(item)}
    try:
        build.write_story(testimony.story(rerun_of(item)), page_of(item).parent)
    except OSError as error:
        made.troubles.append(f"no page of {item.nodeid}: {error}")


def _run_of(item: pytest.Item) -> str:
    """Id of the run that the test's first cluster belonged to."""
    clusters, used = harness.of(item.config).clusters, item.stash.get(harness.USED, [])
    return clusters.run_of(used[0]) if clusters and used else ""


def page_of(item: pytest.Item) -> "Path":
    """Where the page of a test goes."""
    from shakeout.report import session  # noqa: PLC0415 - most tests leave no page

    name = harness.of(item.config).session_name
    return directory(item.config) / name / session.directory_of(item.nodeid) / session.PAGE


def directory(config: pytest.Config) -> "Path":
    """Where the evidence of all sessions goes."""
    given: Path | None = config.getoption("--shakeout-report")
    if given is not None:
        return config.invocation_params.dir / given
    return settings.read().report or config.rootpath / "dist" / "shakeout"


def rerun_of(item: pytest.Item) -> "Rerun":
    """The commands that run a test again."""
    from shakeout.report import rerun  # noqa: PLC0415 - for failed tests only

    config = item.config
    return rerun.commands(
        item.nodeid,
        rerun.Circumstances(
            harness.of(config).seed,
            randomly=isinstance(config.getoption("randomly_seed", default=None), int),
            durable=config.getoption("--durable"),
            pants=settings.read().in_pants or (config.rootpath / "pants.toml").exists(),
        ),
    )


@contextlib.contextmanager
def _step(config: pytest.Config, name: str) -> Iterator[None]:
    """A step of the test's timeline; one that took no time to speak of is none."""
    recording = record.current.get()
    if recording is None or recording is not harness.of(config).recording:
        yield
        return
    with record.span("step", name):
        yield
    recording.drop_short("step", STEP_SECONDS_MIN)


def _note_failure(
    item: pytest.Item, call: pytest.CallInfo[None], report: pytest.TestReport
) -> None:
    from shakeout.report import cause  # noqa: PLC0415 - for failed tests only
    from shakeout.report.model import Kind  # noqa: PLC0415 - as above
    from shakeout.report.testimony import Testimony  # noqa: PLC0415 - as above

    made = harness.of(item.config)
    testimony = item.stash.setdefault(TESTIMONY, Testimony(item.nodeid))
    testimony.collect()
    if call.excinfo is None:
        found = cause.refused(report.longreprtext)
    else:
        found = cause.of(call.excinfo.value, testimony.services)
    found = cause.with_last_words(found, testimony.lines())
    found = cause.with_statement(found, report.longreprtext)
    found = cause.with_place(found, made.tasks_at_alarm, str(item.path))
    testimony.fail(str(report.when), found, report.longreprtext, call.stop)
    if found.kind is Kind.TEST_TIMED_OUT and made.tasks_at_alarm:
        testimony.dump, made.tasks_at_alarm = made.tasks_at_alarm, ""
        report.sections.append(("tasks when the time was up", testimony.dump))
    report.sections.append((SECTION, _last_words(item, found.sentence)))


def _last_words(item: pytest.Item, sentence: str) -> str:
    """What a person needs who sees only the end of the output."""
    rerun = rerun_of(item)
    lines = [f"cause: {sentence}"]
    if _leaves_page(item):
        lines.append(f"page:  {page_of(item)}")
    lines.append(f"rerun: {rerun.pytest}")
    if rerun.pants:
        lines.append(f"       {rerun.pants}")
    return "\n".join(lines)


def _leaves_page(item: pytest.Item) -> bool:
    """Whether it used a cluster, and failed or is asked for its evidence all the same."""
    testimony = item.stash.get(TESTIMONY, None)
    if testimony is None:
        return False
    if not testimony.readers and USES_CLUSTER not in getattr(item, "fixturenames", ()):
        return False
    return bool(testimony.failures) or item.config.getoption("--evidence") == ALL


def _note_interruption(item: pytest.Item, error: BaseException) -> None:
    if TESTIMONY not in item.stash:
        return
    from shakeout.report import cause  # noqa: PLC0415 - for failed tests only
    from shakeout.timeline import moment  # noqa: PLC0415 - as above

    item.stash[TESTIMONY].fail("call", cause.interrupted(error), "", moment.now())
    harness.of(item.config).interrupted[item.nodeid] = properties(item)
