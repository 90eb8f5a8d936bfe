"""What the arguments of all commands are made of: help within 80 columns with examples, and types that explain what is wrong."""

import argparse
import os
import re
from collections.abc import Sequence
from typing import NamedTuple, NoReturn

COLUMNS_MAX = 80
_DIGITS_MAX = 18
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_UNKNOWN = re.compile(
    r"argument (COMMAND|ACTION): invalid choice: '(?P<given>[^']*)' \(choose from (?P<known>.*)\)"
)
_SIZES = {"m": 1, "mib": 1, "mb": 1, "g": 1024, "gib": 1024, "gb": 1024}


class Formatter(argparse.RawDescriptionHelpFormatter):
    """Keeps examples as written and every line within 80 columns."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=26, width=_columns())


class Parser(argparse.ArgumentParser):
    """Says what is wrong in a line, and where help is."""

    @property
    def declared(self) -> Sequence[argparse.Action]:
        """All that may be typed, in order; of commands and their actions the choices are parsers by name."""
        return self._actions

    def error(self, message: str) -> NoReturn:
        """Tell what cannot be used as typed, and end with code 2."""
        found = _UNKNOWN.match(message)
        if found:
            import difflib  # only for who mistyped

            known = re.findall(r"'([^']+)'", found["known"])
            near = difflib.get_close_matches(found["given"], known, 1)
            guess = f"do you mean {near[0]!r}?" if near else f"it knows: {', '.join(known)}"
            message = f"there is no {found['given']!r}; {guess}"
        self.exit(2, f"{self.prog}: error: {message}\n    {self.prog} --help tells more\n")


class Actions:
    """The actions of one command."""

    def __init__(
        self,
        commands: "argparse._SubParsersAction[Parser]",
        name: str,
        help_: str,
    ) -> None:
        parser = commands.add_parser(
            name, help=help_, description=help_, formatter_class=Formatter
        )
        self._name = name
        self._actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)

    def add(
        self, action: str, help_: str, *examples: str, more: str = "", command: bool = False
    ) -> argparse.ArgumentParser:
        """Add an action with examples of how to type it and more to say about it; a `command` may follow after `--`."""
        epilog = "examples:\n" + "\n".join(f"  {example}" for example in examples)
        parser = self._actions.add_parser(
            action,
            help=help_,
            description=f"{help_[0].upper()}{help_[1:]}.",
            epilog=f"{epilog}\n\n{more}" if more else epilog,
            formatter_class=Formatter,
        )
        parser.add_argument("--json", action="store_true", help="print JSON")
        parser.set_defaults(
            command=f"{self._name}-{action}", words=None, takes_words=command, parser=parser
        )
        return parser


def command(
    commands: "argparse._SubParsersAction[Parser]",
    name: str,
    help_: str,
    *examples: str,
    more: str = "",
) -> argparse.ArgumentParser:
    """Add a command that has no actions."""
    parser = commands.add_parser(
        name, help=help_, description=f"{help_[0].upper()}{help_[1:]}.", formatter_class=Formatter
    )
    parser.epilog = "\n".join(["examples:", *(f"  {example}" for example in examples), "", more])
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(command=name, words=None, takes_words=False, parser=parser)
    return parser


def session(action: argparse.ArgumentParser) -> None:
    """Add the argument that says which session."""
    action.add_argument("session", metavar="SESSION", help=SESSION_HELP)


SESSION_HELP = "its name, its id, or the beginning or end of that"


def quiet(action: argparse.ArgumentParser, what: str) -> None:
    """Add the flag that leaves only ids."""
    action.add_argument("-q", "--quiet", action="store_true", help=what)


def within(action: argparse.ArgumentParser) -> None:
    """Add how long to wait."""
    action.add_argument(
        "--within", type=seconds, default=60.0, metavar="TIME", help="wait so long (default: 60s)"
    )


class Mount(NamedTuple):
    """A folder, where it is shown, and how: `ro` and `subpath` of it."""

    folder: str
    path: str
    read_only: bool = False
    subpath: str | None = None


def mount(text: str) -> Mount:
    """Read FOLDER:PATH, FOLDER:PATH:ro, FOLDER:PATH:subpath=DIRECTORY or both: FOLDER:PATH:ro,subpath=DIRECTORY."""
    folder, _, rest = text.partition(":")
    path, _, options = rest.partition(":")
    if not folder or not path:
        raise argparse.ArgumentTypeError(f"{text!r} is not FOLDER:PATH, such as data:input")
    read_only, subpath = False, None
    for option in options.split(",") if options else ():
        name, _, value = option.partition("=")
        if option == "ro":
            read_only = True
        elif name == "subpath" and value:
            subpath = value.strip("/")
        else:
            raise argparse.ArgumentTypeError(
                f"{option!r} is no way to mount: ro, subpath=DIRECTORY"
            )
    return Mount(folder, path, read_only, subpath)


def variable(text: str) -> tuple[str, str]:
    """Read NAME=VALUE."""
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return name, value


def seconds(text: str) -> float:
    """Read a length of time: 30, 30s, 5m, 2h, 1d."""
    number, unit = (text[:-1], text[-1]) if text[-1:] in _UNITS else (text, "s")
    try:
        value = float(number) * _UNITS[unit]
    except ValueError:
        value = 0
    if not 0 < value <= 366 * 86400:
        raise argparse.ArgumentTypeError(f"{text!r} is no time, such as 30s, 5m, 2h or 1d")
    return value


def mebibytes(text: str) -> int:
    """Read a size: 512, 512M, 2G."""
    number = text.lower().rstrip("bgim")
    size = _SIZES.get(text.lower()[len(number) :] or "m")
    if size is None or not number.isdecimal() or int(number) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no size, such as 512M or 2G")
    return int(number) * size


def count(text: str) -> int:
    """Read how many."""
    if not text.isdecimal() or len(text) > _DIGITS_MAX:
        raise argparse.ArgumentTypeError(f"{text!r} is no number, such as 100")
    return int(text)


def _columns() -> int:
    try:
        return min(os.get_terminal_size().columns or COLUMNS_MAX, COLUMNS_MAX)
    except OSError:
        return COLUMNS_MAX
