"""`pytest --keep`: the cluster of a test that failed stays up, to be looked at by the commands of `shakeout`.

The run stands still meanwhile: nothing outlives a run, so nothing can be forgotten. Called by `shakeout.usage`.
"""

import asyncio
import contextlib
import faulthandler
import signal
from collections.abc import Iterator, Sequence

import pytest

from shakeout import settings
from shakeout.hand import control, session, state
from shakeout.hand.session import Session
from shakeout.harness import FAILED, Harness
from shakeout.running import Running

OPTION = "--keep"
FAILURE = pytest.StashKey[str]()
"""How the test failed, in words."""


def hold(item: pytest.Item, harness: Harness, running: Running) -> None:
    """If the test failed and somebody asked for it, hold its cluster until Ctrl-C or `shakeout down`.

    Raises KeyboardInterrupt then, which ends the run in order, or the death of a component.
    """
    if harness.ending or not item.config.getoption(OPTION) or not item.stash.get(FAILED, False):
        return
    if running.guard.done():
        return  # it died, there is nothing to hold
    taken = [one.name for one in state.running(settings.read().home)]
    cluster = running.cluster
    kept = Session(session.free_name(cluster.system.name, taken), item.nodeid, cluster)
    running.dirty, cluster.shared = True, False  # nobody else gets it any more
    _stop_timers(item)
    with _visible(item.config) as reporter:
        reporter.section(f"kept: {kept.name}", sep="=", bold=True)
        for line in (*item.stash.get(FAILURE, "").splitlines(), *told(kept)):
            reporter.write_line(line)
    harness.runner.run(_served(kept))


def told(kept: Session) -> Sequence[str]:
    """How to work with it."""
    name = kept.name
    return (
        "",
        f"{name} of {kept.origin} stays up. In another terminal:",
        f"  shakeout ps {name}",
        f"  shakeout timeline --name {name}",
        f"  shakeout logs {next(iter(kept.cluster.names))} --name {name}",
        f"  shakeout shell --name {name}",
        f"Ctrl-C here, or `shakeout down {name}`, ends it and this run.",
    )


def refuse_workers(config: pytest.Config) -> None:
    """Somebody must sit before the process that holds a cluster. Raises UsageError under pytest-xdist."""
    several = config.getoption("numprocesses", default=None) or hasattr(config, "workerinput")
    if config.getoption(OPTION) and several:
        raise pytest.UsageError(f"{OPTION} needs a run in one process: leave out -n")


async def _served(kept: Session) -> None:
    async with control.controlled(kept):
        await asyncio.Event().wait()


def _stop_timers(item: pytest.Item) -> None:
    """A person takes longer than a test may."""
    signal.setitimer(signal.ITIMER_REAL, 0)
    faulthandler.cancel_dump_traceback_later()
    if item.config.pluginmanager.hasplugin("timeout"):
        item.ihook.pytest_timeout_cancel_timer(item=item)


@contextlib.contextmanager
def _visible(config: pytest.Config) -> Iterator[pytest.TerminalReporter]:
    """What is written inside is seen at once, whatever pytest captures."""
    reporter = config.pluginmanager.getplugin("terminalreporter")
    capture = config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled() if capture else contextlib.nullcontext():
        yield reporter
        reporter.flush()
