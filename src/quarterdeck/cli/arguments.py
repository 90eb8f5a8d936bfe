"""The arguments of `qd` and its help. argparse, because typer alone takes longer to import than a whole command may
(see docs/decisions). A command is named by `command`, such as "session-create"; `quarterdeck.cli.run` carries it out.
"""

import argparse
from collections.abc import Callable, Mapping, Sequence

from quarterdeck.cli import arguments_images as images
from quarterdeck.cli import arguments_others as others
from quarterdeck.cli import arguments_sessions as sessions
from quarterdeck.cli import arguments_transfers as transfers
from quarterdeck.cli.arguments_kit import Actions, Formatter, Parser

_DESCRIPTION = "Run code in sessions on the platform, with your files in folders."
_EPILOG = """\
environment:
  QD_URL          where the manager is, such as http://127.0.0.1:8091
  QD_ACCESS_KEY   your access key
  QD_SECRET_KEY   your secret key
  NO_COLOR        no colours, whatever the terminal can

examples:
  qd folder create data
  qd cp measurements.csv data:
  qd session create python:3.11 --name fit --mount data:input --wait
  qd session exec fit -c 'import os; print(os.listdir("input"))'
  qd session exec fit analysis.py
  qd cp data:results.json .
  qd session rm fit

`qd COMMAND --help` and `qd COMMAND ACTION --help` tell more.
Exit codes: 0 done, 1 refused or failed, 2 not usable as typed, 130 interrupted,
141 nobody reads what it prints; `qd session exec` ends with the code of what it
ran."""

_COMMANDS: Mapping[str, tuple[str, Callable[[Actions], None]]] = {
    "session": ("sessions: run code", sessions.sessions),
    "folder": ("folders: keep files", others.folders),
    "image": ("images: what sessions are made of", images.images),
    "registry": ("registries: where images come from", images.registries),
    "user": ("users and their keys", others.users),
    "agent": ("agents: the machines that run sessions (administrators)", others.agents),
}


def parser(only: str | None = None) -> Parser:
    """Return the parser of all commands; with the actions of one only, if that is to be parsed."""
    top = Parser(prog="qd", description=_DESCRIPTION, epilog=_EPILOG, formatter_class=Formatter)
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    transfers.cp(commands)
    for name, (help_, fill) in _COMMANDS.items():
        actions = Actions(commands, name, help_)
        if only in {None, name}:
            fill(actions)
    others.completion(commands)
    return top


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Read what was typed; `words` is what stands after `--`, None without. Raises SystemExit with what is wrong, or for help."""
    at = argv.index("--") if "--" in argv else len(argv)
    only = argv[0] if argv and argv[0] in _COMMANDS else ""
    given, unknown = parser(only).parse_known_args(argv[:at])
    if unknown:
        given.parser.error(f"unrecognized arguments: {' '.join(unknown)}")
    if at < len(argv):
        given.words = list(argv[at + 1 :])
        if not given.takes_words:
            given.parser.error(f"nothing may follow after --: {' '.join(given.words)}")
        if not given.words:
            given.parser.error("a command must follow after --")
    return given
