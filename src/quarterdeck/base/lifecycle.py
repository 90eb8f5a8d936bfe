"""One way for every component to start and stop: `run(component, load, main)` from its `__main__`."""

import asyncio
import logging
import resource
import signal
import sys
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from quarterdeck.base import config, log
from quarterdeck.base.errors import ConfigInvalid

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_CONFIG = 2

_log = logging.getLogger(__name__)
_C = TypeVar("_C")


def run(
    component: str,
    load: Callable[[config.Environment], _C],
    main: Callable[[_C, asyncio.Event], Coroutine[Any, Any, None]],
    *,
    loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None,
) -> int:
    """Load the configuration, run `main(configuration, stop)` and return the exit code for `sys.exit`.

    SIGTERM and SIGINT set `stop`; `main` then closes what it opened and returns: 0. An error out of `main` is logged with its
    traceback: 1. A configuration that is not usable is one plain line on standard error: 2. `QD_LOG_LEVEL` is debug, info (default),
    warning or error. The process may open as many files as its hard limit allows.
    """
    _allow_open_files()
    environment = config.environment()
    try:
        log.configure(component, _level(environment))
        configuration = load(environment)
    except ConfigInvalid as error:
        sys.stderr.write(f"{component}: configuration: {error}\n")
        return EXIT_CONFIG
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        return runner.run(_supervise(main, configuration))


def _allow_open_files() -> None:
    """Raise the soft limit to the hard one: a soft limit of 1024 is for programs that use select(), which ours do not."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


async def _supervise(
    main: Callable[[_C, asyncio.Event], Coroutine[Any, Any, None]],
    configuration: _C,
) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _stop, stop, number)
    try:
        await main(configuration, stop)
    except Exception:  # noqa: BLE001 - supervisor: the last word on why a component ends
        _log.exception("component-failed")
        return EXIT_FAILED
    _log.info("component-stopped")
    return EXIT_OK


def _stop(stop: asyncio.Event, number: signal.Signals) -> None:
    _log.info("stop-requested", extra={"signal": number.name})
    stop.set()


def _level(environment: config.Environment) -> str:
    level = environment.text("QD_LOG_LEVEL", "info").upper()
    if level not in {"DEBUG", "INFO", "WARNING", "ERROR"}:
        raise ConfigInvalid(
            f"QD_LOG_LEVEL is not debug, info, warning or error: {level!r}", field="QD_LOG_LEVEL"
        )
    return level
