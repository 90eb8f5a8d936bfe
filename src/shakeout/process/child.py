"""From the fork to the program: what a new process does before it runs what it was made for.

Standard library only. Everything here runs in the child; trouble before the program starts goes back to
the spawner through a pipe, trouble afterwards goes to the log.
"""

import atexit
import faulthandler
import fcntl
import importlib
import json
import os
import signal
import sys
import threading
from collections.abc import Sequence
from typing import Any, NoReturn

from shakeout.process import linux, procfs
from shakeout.process.protocol import Message

LISTEN_DESCRIPTOR_FIRST = 3
HIGH_DESCRIPTOR_FIRST = 64
LOG_MODE = 0o644
CRASHED = 1
C_LIBRARY_SIGNALS = (32, 33)  # of its threads; it refuses to have them set


def become(order: Message, descriptors: Sequence[int], report: int, parent: int) -> NoReturn:
    """Turn this fresh fork into the program of the order; never returns."""
    step = "namespaces"
    try:
        if order["namespaces"]:
            linux.join(order["namespaces"])
        step = "set-up"
        linux.die_with_parent(parent)
        os.setsid()
        _reset_signals()
        report = _moved_up(report)
        step = "log"
        _redirect(order["log"])
        step = "directory"
        os.chdir(order["directory"])
        step = "sockets"
        _place(descriptors)
        environment = order["environment"] | _listen_variables(descriptors, order["listen"])
        step = "executable"
        if order["argv"]:
            os.execvpe(order["argv"][0], order["argv"], environment)
    except BaseException as error:  # noqa: BLE001 (whatever it was, the spawner must hear of it)
        _report(report, step, error)
        os._exit(CRASHED)
    os.close(report)
    os._exit(_run(order, environment))


def _reset_signals() -> None:
    """Give every signal its default; only those that have another, since each costs a while."""
    signal.set_wakeup_fd(-1)
    for number in procfs.handled_signals():
        if number not in C_LIBRARY_SIGNALS:
            signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _redirect(log: str) -> None:
    null = os.open(os.devnull, os.O_RDONLY)
    output = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, LOG_MODE)
    os.dup2(null, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(null)
    os.close(output)


def _place(descriptors: Sequence[int]) -> None:
    """Move the descriptors to 3, 4, ..., by way of high numbers so that none overwrites another.

    Below the high numbers nothing else is kept: a spawner has only its own there, or fillers.
    """
    high = [_moved_up(descriptor) for descriptor in descriptors]
    for number, source in enumerate(high, LISTEN_DESCRIPTOR_FIRST):
        os.dup2(source, number)
        os.close(source)
    beyond = LISTEN_DESCRIPTOR_FIRST + len(descriptors)
    os.closerange(beyond, HIGH_DESCRIPTOR_FIRST)


def _moved_up(descriptor: int) -> int:
    high = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, HIGH_DESCRIPTOR_FIRST)
    os.close(descriptor)
    return high


def _listen_variables(descriptors: Sequence[int], names: Sequence[str]) -> dict[str, str]:
    if not descriptors:
        return {}
    variables = {"LISTEN_FDS": str(len(descriptors)), "LISTEN_PID": str(os.getpid())}
    return variables | ({"LISTEN_FDNAMES": ":".join(names)} if names else {})


def _report(report: int, step: str, error: BaseException) -> None:
    number = error.errno if isinstance(error, OSError) else None
    told = {"step": step, "errno": number, "reason": f"{type(error).__name__}: {error}"}
    os.write(report, json.dumps(told).encode())


def _run(order: Message, environment: dict[str, str]) -> int:
    """Call the function as a console script would be; returns the exit code."""
    linux.name_process(order["name"])
    for number in (signal.SIGPIPE, signal.SIGXFSZ):  # as every Python program does
        signal.signal(number, signal.SIG_IGN)
    os.environ.clear()  # noqa: TID251 (here the environment is given, not read)
    os.environ.update(environment)  # noqa: TID251 (as above)
    sys.argv = [order["name"], *order["args"]]
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    faulthandler.enable()
    try:
        code = _exit_code(_call(order["call"]))
    except SystemExit as ended:
        code = _exit_code(ended.code)
    except BaseException as error:  # noqa: BLE001 (the last frame prints what nobody caught)
        _print_own_part(error)
        code = CRASHED
    return _finish(code)


def _call(target: str) -> Any:
    module, _, function = target.partition(":")
    return getattr(importlib.import_module(module), function)()


def _print_own_part(error: BaseException) -> None:
    """Print the traceback without the frames of this module."""
    place = error.__traceback__
    while place is not None and place.tb_frame.f_code.co_filename == __file__:
        place = place.tb_next
    sys.excepthook(type(error), error.with_traceback(place), place)


def _exit_code(result: Any) -> int:
    if result is None or isinstance(result, int):
        return (result or 0) & 0xFF
    print(result, file=sys.stderr)  # noqa: T201 (sys.exit("text") prints it)
    return CRASHED


def _finish(code: int) -> int:
    """Do what the interpreter does at its end: join threads, run the exit handlers, flush."""
    try:
        threading._shutdown()  # type: ignore[attr-defined]  # noqa: SLF001 (no public name)
        atexit._run_exitfuncs()  # noqa: SLF001 (no public name)
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException:  # noqa: BLE001 (the process ends here)
        sys.excepthook(*sys.exc_info())
        return code or CRASHED
    return code
