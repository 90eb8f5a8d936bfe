"""The arguments of `qd` and its help. argparse, because typer alone takes longer to import than a whole command may
(see docs/decisions). A command is named by `command`, such as "session-create"; `quarterdeck.cli.run` carries it out.
"""

import argparse
import os

COLUMNS_MAX = 80

_DESCRIPTION = "Run code in sessions on the platform, with your files in folders."
_EPILOG = """\
environment:
  QD_URL          where the manager is, such as http://127.0.0.1:8091
  QD_ACCESS_KEY   your access key
  QD_SECRET_KEY   your secret key

examples:
  qd folder create data
  qd folder upload data measurements.csv
  qd session create python:3.11 --name fit --mount data:input --wait
  qd session exec fit -c 'import os; print(os.listdir("input"))'
  qd session exec fit analysis.py
  qd folder download data results.json
  qd session rm fit

`qd COMMAND --help` and `qd COMMAND ACTION --help` tell more.
Exit codes: 0 done, 1 refused or failed, 2 not usable as typed."""


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """Keeps examples as written and every line within 80 columns."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=26, width=_columns())


class _Actions:
    """The actions of one command."""

    def __init__(
        self,
        commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
        name: str,
        help_: str,
    ) -> None:
        parser = commands.add_parser(
            name, help=help_, description=help_, formatter_class=_Formatter
        )
        self._name = name
        self._actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)

    def add(self, action: str, help_: str, *examples: str) -> argparse.ArgumentParser:
        """Add an action with examples of how to type it."""
        epilog = "examples:\n" + "\n".join(f"  {example}" for example in examples)
        parser = self._actions.add_parser(
            action,
            help=help_,
            description=f"{help_[0].upper()}{help_[1:]}.",
            epilog=epilog,
            formatter_class=_Formatter,
        )
        parser.add_argument("--json", action="store_true", help="print JSON")
        parser.set_defaults(command=f"{self._name}-{action}")
        return parser


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    top = argparse.ArgumentParser(
        prog="qd", description=_DESCRIPTION, epilog=_EPILOG, formatter_class=_Formatter
    )
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    sessions = _Actions(commands, "session", "sessions: run code")
    _create(sessions)
    _sessions(sessions)
    _folders(_Actions(commands, "folder", "folders: keep files"))
    _users(_Actions(commands, "user", "users and their keys"))
    _Actions(commands, "agent", "agents: the machines that run sessions").add(
        "ls", "list the agents (administrators)", "qd agent ls"
    )
    return top


def _create(sessions: _Actions) -> None:
    create = sessions.add(
        "create",
        "ask for a session and print its id",
        "qd session create python:3.11 --wait",
        "qd session create python:3.11 --name fit --cpu 2 --memory 512",
        "qd session create python:3.11 --mount data:input --env SEED=7",
    )
    create.add_argument("image", metavar="IMAGE", help="what it runs, such as python:3.11")
    create.add_argument("--name", help="a name to address it by")
    create.add_argument("--cpu", type=int, default=1, metavar="N", help="cores (default: 1)")
    create.add_argument(
        "--memory", type=int, default=256, metavar="MIB", help="memory in MiB (default: 256)"
    )
    create.add_argument(
        "--mount",
        action="append",
        default=[],
        type=_mount,
        metavar="FOLDER:PATH",
        help="show a folder at a path below the working directory; may be repeated",
    )
    create.add_argument(
        "--env",
        action="append",
        default=[],
        type=_variable,
        metavar="NAME=VALUE",
        help="set an environment variable; may be repeated",
    )
    create.add_argument("--wait", action="store_true", help="until it is running")
    _within(create)


def _sessions(sessions: _Actions) -> None:
    ls = sessions.add("ls", "list your sessions", "qd session ls", "qd session ls --all")
    ls.add_argument("--all", action="store_true", help="with those that have ended")
    ls.add_argument("--status", type=str.upper, help="only those in this state")
    show = sessions.add("show", "show a session and its history", "qd session show fit")
    show.add_argument("session", metavar="SESSION", help="name or id")
    execute = sessions.add(
        "exec",
        "run Python code in a session",
        "qd session exec fit -c 'print(6 * 7)'",
        "qd session exec fit analysis.py",
        "qd session exec fit < analysis.py",
    )
    execute.add_argument("session", metavar="SESSION", help="name or id")
    code = execute.add_mutually_exclusive_group()
    code.add_argument("-c", dest="code", metavar="CODE", help="the code itself")
    code.add_argument("file", nargs="?", metavar="FILE", help="a file (default, and -: stdin)")
    logs = sessions.add("logs", "print what a session has written", "qd session logs fit")
    logs.add_argument("session", metavar="SESSION", help="name or id")
    rm = sessions.add("rm", "end sessions", "qd session rm fit", "qd session rm fit --wait")
    rm.add_argument("sessions", nargs="+", metavar="SESSION", help="name or id")
    rm.add_argument("--wait", action="store_true", help="until nothing of it is left")
    _within(rm)


def _folders(folders: _Actions) -> None:
    create = folders.add("create", "make a folder and print its id", "qd folder create data")
    create.add_argument("name", metavar="NAME")
    create.add_argument("--host", help="the storage host that keeps it")
    ls = folders.add(
        "ls",
        "list your folders, or the files of one",
        "qd folder ls",
        "qd folder ls data",
        "qd folder ls data results -r",
    )
    ls.add_argument("folder", nargs="?", metavar="FOLDER", help="name or id")
    ls.add_argument("path", nargs="?", default="", metavar="PATH", help="in the folder")
    ls.add_argument("-r", "--recursive", action="store_true", help="at any depth")
    upload = folders.add(
        "upload",
        "copy a file or directory into a folder",
        "qd folder upload data measurements.csv",
        "qd folder upload data measurements.csv raw/2026.csv",
        "qd folder upload data ./scripts",
    )
    upload.add_argument("folder", metavar="FOLDER", help="name or id")
    upload.add_argument("local", metavar="LOCAL", help="file or directory here")
    upload.add_argument("remote", nargs="?", metavar="REMOTE", help="path in the folder")
    download = folders.add(
        "download",
        "copy a file or directory out of a folder",
        "qd folder download data results.json",
        "qd folder download data results ./results",
    )
    download.add_argument("folder", metavar="FOLDER", help="name or id")
    download.add_argument("remote", metavar="REMOTE", help="path in the folder")
    download.add_argument("local", nargs="?", default=".", metavar="LOCAL", help="path here")
    rm = folders.add(
        "rm", "delete a folder, or a file in it", "qd folder rm data", "qd folder rm data old.csv"
    )
    rm.add_argument("folder", metavar="FOLDER", help="name or id")
    rm.add_argument("path", nargs="?", metavar="PATH", help="in the folder: only this")


def _users(users: _Actions) -> None:
    create = users.add(
        "create",
        "make a user and print the keys, this once (administrators)",
        "qd user create ada",
        "qd user create grace --admin",
    )
    create.add_argument("name", metavar="NAME")
    create.add_argument("--admin", action="store_true", help="with an administrator's rights")
    users.add("ls", "list all users (administrators)", "qd user ls")
    users.add("me", "show who you are", "qd user me")
    rm = users.add("rm", "delete a user with all folders (administrators)", "qd user rm ada")
    rm.add_argument("user", metavar="USER", help="name or id")


def _within(action: argparse.ArgumentParser) -> None:
    action.add_argument(
        "--within",
        type=_seconds,
        default=60.0,
        metavar="SECONDS",
        help="wait so long (default: 60)",
    )


def _mount(text: str) -> tuple[str, str]:
    folder, _, path = text.partition(":")
    if not folder or not path:
        raise argparse.ArgumentTypeError(f"{text!r} is not FOLDER:PATH, such as data:input")
    return folder, path


def _variable(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return name, value


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0
    if not 0 < value <= 86400:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds above 0")
    return value


def _columns() -> int:
    try:
        return min(os.get_terminal_size().columns or COLUMNS_MAX, COLUMNS_MAX)
    except OSError:
        return COLUMNS_MAX
