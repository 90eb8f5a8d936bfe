"""The pytest plugin: runs coroutine tests, ends runs in order, reports on clusters.

Load it with `-p shakeout.plugin`. It imports neither asyncio nor the process layer until a test
needs them, so a unit test pays only for what it uses. The fixtures are in `shakeout.fixtures`.
"""

import functools
import inspect
import os
import threading
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

import pytest

from shakeout import (
    classify,
    evidence,
    fixtures,
    harness,
    hookspecs,
    options,
    sayable,
    sessions,
    settings,
    signals,
    skips,
    unawaited,
)
from shakeout.faults import terminal
from shakeout.gate import in_process

if TYPE_CHECKING:
    from shakeout.runner import Runner

SEED_PROPERTY = "seed"
BOOTS_SHOWN = 8
ANYIO = "anyio_backend"
"""The fixture of a coroutine test that runs on another plugin's loop."""
SIGNALS = pytest.StashKey[signals.EndOfRun]()


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    pluginmanager.add_hookspecs(hookspecs)
    modules = (fixtures, skips, in_process, evidence, classify, terminal, sayable, unawaited)
    for module in modules:
        pluginmanager.register(module, module.__name__)


def pytest_addoption(parser: pytest.Parser) -> None:
    options.add(parser)


@pytest.hookimpl(trylast=True)  # pytest-randomly decides its seed while configuring
def pytest_configure(config: pytest.Config) -> None:
    options.declare_markers(config)
    made = harness.install(config)
    if config.getoption("--keep"):
        from shakeout import keeping  # noqa: PLC0415 - for a person only

        keeping.refuse_workers(config)
    config.pluginmanager.register(sessions.Sessions(config), sessions.__name__)
    if hasattr(config, "workerinput"):
        made.session_given = config.workerinput.get("shakeout_session", "")
        from shakeout.process import linux  # noqa: PLC0415 - for workers of pytest-xdist only

        linux.die_with_parent(os.getppid())
    if threading.current_thread() is threading.main_thread():
        config.stash[SIGNALS] = signals.EndOfRun(made)
        config.stash[SIGNALS].install()


def pytest_unconfigure(config: pytest.Config) -> None:
    if harness.KEY in config.stash:
        harness.of(config).close()
    if SIGNALS in config.stash:
        config.stash[SIGNALS].remove()


def pytest_report_header(config: pytest.Config) -> str:
    home = settings.read().home
    broker = "broker on" if harness.wants_broker(config) else "no broker"
    return f"shakeout: seed {harness.of(config).seed}, runs below {home}, {broker}"


def pytest_collection_finish(session: pytest.Session) -> None:
    made = harness.of(session.config)
    made.soon = frozenset(name for item in session.items for name in harness.needs_of(item))
    for item in session.items:
        item.user_properties.append((SEED_PROPERTY, str(made.seed)))


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Run a coroutine test on the plugin's loop, unless it has another; let a death interrupt any other."""
    __tracebackhide__ = True
    made = harness.of(pyfuncitem.config)
    holder: Any = getattr(pyfuncitem.obj, "hypothesis", None)
    function = pyfuncitem.obj if holder is None else holder.inner_test
    if not inspect.iscoroutinefunction(function) or ANYIO in pyfuncitem.fixturenames:
        with made.test_code():
            return (yield)
    synchronous = _on_loop(function, made.runner)
    place, name = (pyfuncitem, "obj") if holder is None else (holder, "inner_test")
    setattr(place, name, synchronous)
    try:
        return (yield)
    finally:
        setattr(place, name, function)  # for a rerun


@pytest.hookimpl(wrapper=True, trylast=True)  # others may have made their fixtures synchronous
def pytest_fixture_setup(
    fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
) -> Generator[None, object, object]:
    __tracebackhide__ = True
    function = fixturedef.func
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        raise pytest.UsageError(
            f"fixture {fixturedef.argname!r} is asynchronous: make it a plain function that uses "
            "`shakeout_runner.run(coroutine)`"
        )
    with harness.of(request.config).test_code():
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if harness.USED in item.stash:
        from shakeout import usage  # noqa: PLC0415 - imported already by a test with a cluster

        usage.note_outcome(item, call, report)
    return report


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    clusters = harness.of(config).clusters
    if clusters is None:
        return
    for what, seconds in (("leased", clusters.lease_seconds), ("booted", clusters.boot_seconds)):
        if seconds:
            shown = ", ".join(f"{each:.2f} s" for each in seconds[:BOOTS_SHOWN])
            more = ", …" if len(seconds) > BOOTS_SHOWN else ""
            terminalreporter.write_line(
                f"shakeout: {len(seconds)} cluster{'s' * (len(seconds) > 1)} {what} ({shown}{more})"
            )
    for reason in clusters.refusals:
        terminalreporter.write_line(f"shakeout: not from the broker: {reason}")


@pytest.hookimpl(wrapper=True, optionalhook=True)
def pytest_timeout_set_timer(item: pytest.Item) -> Generator[None, object, object]:
    result = yield
    signals.adopt_alarm(harness.of(item.config))
    return result


def _on_loop(function: Callable[..., Any], runner: "Runner") -> Callable[..., Any]:
    @functools.wraps(function)
    def synchronous(*args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        return runner.run(function(*args, **kwargs))

    return synchronous
