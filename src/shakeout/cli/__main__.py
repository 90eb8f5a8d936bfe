"""`shakeout`: run a system by hand. This module only parses; each command has its own module.

By argparse, and with commands imported when they run: `shakeout --help` takes 50 ms, where typer and
rich alone take 300.
"""

import argparse
import importlib
import sys
from collections.abc import Sequence

from shakeout.version import VERSION

EXAMPLES = """\
examples:
  shakeout up my.system:system                   boot it, keep it until Ctrl-C
  shakeout up my.system:system --name blue --replicas agent=2 --with s3
  shakeout ps                                    what runs, and what it costs
  shakeout logs manager -f --level warning       follow one component
  eval "$(shakeout env)"                         talk to it from this shell
  shakeout down                                  stop it
  shakeout doctor                                what this machine lacks

exit codes: 0 fine, 1 something failed, 2 wrong use
"""

COMMANDS = {
    "up": "boot a system and keep it running until Ctrl-C or `down`",
    "ps": "components that run: process, CPU, memory, uptime",
    "logs": "log of one component",
    "env": "environment for talking to a running system by hand",
    "down": "stop a running system",
    "doctor": "check what this machine needs, with remedies",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    options = _parser().parse_args(argv)
    command = importlib.import_module(f"shakeout.cli.{options.command}")
    errors = importlib.import_module("shakeout.cli.failures")
    try:
        return int(command.run(options))
    except errors.TOLD as failure:
        return int(errors.tell(failure, json=options.json))
    except BrokenPipeError:
        sys.stderr.close()
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="shakeout",
        description="Run a whole system of services and components on this machine.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"shakeout {VERSION}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, description in COMMANDS.items():
        command = commands.add_parser(name, help=description, description=description)
        ARGUMENTS[name](command)
        command.add_argument("--json", action="store_true", help="machine-readable output")
    return parser


def _up(command: argparse.ArgumentParser) -> None:
    command.add_argument("target", help="package.module:attribute of the System")
    command.add_argument("--name", default="", help="name to refer to it (default: the system's)")
    command.add_argument(
        "--replicas",
        action="append",
        default=[],
        metavar="COMPONENT=N",
        type=_replicas,
        help="how many of a component; may be repeated",
    )
    command.add_argument(
        "--with",
        action="append",
        default=[],
        metavar="SERVICE",
        dest="wanted",
        help="start an optional service, too; may be repeated",
    )
    command.add_argument(
        "--durable", action="store_true", help="services survive a power cut (slower)"
    )


def _ps(command: argparse.ArgumentParser) -> None:
    command.add_argument("name", nargs="?", default="", help="system (default: all)")


def _logs(command: argparse.ArgumentParser) -> None:
    command.add_argument("component", help="component or service, see `shakeout ps`")
    command.add_argument("--name", default="", help="system (default: the only one)")
    command.add_argument("-f", "--follow", action="store_true", help="wait for more lines")
    command.add_argument("-n", "--lines", type=int, default=100, help="how many (default: 100)")
    command.add_argument(
        "--level",
        choices=("debug", "info", "warning", "error", "critical"),
        default="debug",
        help="leave out what is less severe; lines without a level stay",
    )


def _named(command: argparse.ArgumentParser) -> None:
    command.add_argument("name", nargs="?", default="", help="system (default: the only one)")


def _nothing(_command: argparse.ArgumentParser) -> None:
    return


ARGUMENTS = {
    "up": _up,
    "ps": _ps,
    "logs": _logs,
    "env": _named,
    "down": _named,
    "doctor": _nothing,
}


def _replicas(text: str) -> tuple[str, int]:
    name, _, count = text.partition("=")
    if not name or not count.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form component=2")
    return name, int(count)


if __name__ == "__main__":
    sys.exit(main())
