"""The arguments of `qd session`, and their help."""

import argparse

from quarterdeck.cli import arguments_create
from quarterdeck.cli import arguments_kit as kit
from quarterdeck.cli.arguments_kit import Actions
from quarterdeck.wire.states import SessionStatus

_EXEC = """\
Exit code: that of the command; of code 0, or 1 if it raised an exception; 125
if qd could not run it, or lost sight of it. The first Ctrl-C interrupts what
runs, a second one leaves it alone. When whoever reads the output has ended, as
`| head` does, what runs is interrupted, and the exit code is 141."""
_SHELL = """\
Leave it by Ctrl-] pressed twice: the shell goes on, and the same command takes
it up again with what it showed last. Several windows may show the same one. A
lost connection is taken up again by itself. It ends with code 0 when the shell
ends or is left, 125 if there is none or sight of it was lost."""
_WATCH = """\
Exit code: 0 if all went well, 1 if the session failed or was cancelled. Ctrl-C
leaves; the session goes on."""


def sessions(sessions: Actions) -> None:
    """Add the actions of `qd session`."""
    for add in (
        arguments_create.create,
        _ls,
        _show,
        _watch,
        _execute,
        _shell,
        _logs,
        _restart,
        _rm,
        _cancel,
    ):
        add(sessions)


def _ls(sessions: Actions) -> None:
    ls = sessions.add(
        "ls",
        "list your sessions",
        "qd session ls",
        "qd session ls --all",
        "qd session ls --status pending,running",
        "qd session rm $(qd session ls -q)",
    )
    ls.add_argument("-a", "--all", action="store_true", help="with those that have ended")
    ls.add_argument(
        "-s",
        "--status",
        action="extend",
        type=_statuses,
        default=[],
        metavar="STATUS",
        help="only those in this state, or in these: " + ", ".join(SessionStatus).lower(),
    )
    ls.add_argument("-w", "--wide", action="store_true", help="with whole ids, types and agents")
    kit.quiet(ls, "print whole ids and nothing else")


def _show(sessions: Actions) -> None:
    show = sessions.add(
        "show",
        "show a session: why it waits or has ended, and its history",
        "qd session show fit",
        "qd session show fit -v",
        "qd session show fit --json",
    )
    kit.session(show)
    show.add_argument(
        "-v", "--verbose", action="store_true", help="with the history of its kernels"
    )


def _watch(sessions: Actions) -> None:
    watch = sessions.add(
        "watch",
        "follow what happens to a session until it ends, or to all of yours",
        "qd session watch fit",
        "qd session watch",
        "qd session watch fit --json",
        more=_WATCH,
    )
    watch.add_argument(
        "session", metavar="SESSION", nargs="?", help=kit.SESSION_HELP + "; default: all of yours"
    )
    watch.add_argument("-v", "--verbose", action="store_true", help="with what its kernels do")


def _execute(sessions: Actions) -> None:
    execute = sessions.add(
        "exec",
        "run Python code or a command in a session",
        "qd session exec fit -c 'print(6 * 7)'",
        "qd session exec fit analysis.py",
        "qd session exec fit < analysis.py",
        "qd session exec fit -- ls -l input",
        "qd session exec fit -- wc -l < measurements.csv",
        more=_EXEC,
        command=True,
    )
    kit.session(execute)
    _kernel(execute)
    code = execute.add_mutually_exclusive_group()
    code.add_argument("-c", dest="code", metavar="CODE", help="the code itself")
    code.add_argument("file", nargs="?", metavar="FILE", help="a file (default, and -: stdin)")
    execute.add_argument(
        "-n",
        "--no-stdin",
        action="store_true",
        help="leave standard input alone; else a command gets what is piped in, and code "
        "that asks for input a line at a time",
    )


def _shell(sessions: Actions) -> None:
    shell = sessions.add(
        "shell",
        "be in a session, with this terminal",
        "qd session shell fit",
        "qd session shell fit --terminal other",
        "qd session shell fit --kernel sub1",
        more=_SHELL,
    )
    kit.session(shell)
    _kernel(shell)
    shell.add_argument(
        "-t",
        "--terminal",
        metavar="NAME",
        default="main",
        help="of several terminals this one (default: main)",
    )


def _logs(sessions: Actions) -> None:
    logs = sessions.add(
        "logs",
        "print what a session has written",
        "qd session logs fit",
        "qd session logs fit --tail 20",
        "qd session logs fit -f",
        more="With -f it ends when the session does; Ctrl-C leaves, the session goes on.",
    )
    kit.session(logs)
    _kernel(logs)
    logs.add_argument(
        "-f", "--follow", action="store_true", help="go on with what is written from now on"
    )
    logs.add_argument(
        "-n", "--tail", type=_lines, metavar="N", help="only the last lines (default: all)"
    )


def _kernel(action: argparse.ArgumentParser) -> None:
    action.add_argument(
        "-k",
        "--kernel",
        metavar="NAME",
        help="of several kernels this one, such as sub1 (default: main1)",
    )


def _restart(sessions: Actions) -> None:
    restart = sessions.add(
        "restart",
        "give sessions new, empty interpreters; files, mounts and slots stay",
        "qd session restart fit",
        "qd session restart fit report --wait",
        more="What runs in a session ends. Not for batch sessions: create another one.",
    )
    restart.add_argument("sessions", nargs="+", metavar="SESSION", help=kit.SESSION_HELP)
    restart.add_argument("--wait", action="store_true", help="until it runs again")
    kit.within(restart)


def _rm(sessions: Actions) -> None:
    rm = sessions.add(
        "rm",
        "end sessions",
        "qd session rm fit",
        "qd session rm fit report --wait",
        "qd session rm $(qd session ls -q)",
        "qd session rm fit --force",
    )
    rm.add_argument("sessions", nargs="+", metavar="SESSION", help=kit.SESSION_HELP)
    rm.add_argument("--wait", action="store_true", help="until nothing of it is left")
    rm.add_argument(
        "--force",
        action="store_true",
        help="at once, whatever its agent says; what is left there is ended when it answers",
    )
    kit.within(rm)


def _cancel(sessions: Actions) -> None:
    cancel = sessions.add(
        "cancel",
        "give up sessions that still wait for a place",
        "qd session cancel report",
        "qd session cancel $(qd session ls -q --status pending)",
    )
    cancel.add_argument("sessions", nargs="+", metavar="SESSION", help=kit.SESSION_HELP)


def _statuses(text: str) -> list[str]:
    found = [each.strip().upper() for each in text.split(",") if each.strip()]
    for each in found:
        if each not in set(SessionStatus):
            known = ", ".join(SessionStatus).lower()
            raise argparse.ArgumentTypeError(f"{each.lower()!r} is no state; these are: {known}")
    return found


def _lines(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no number of lines")
    return int(text)
