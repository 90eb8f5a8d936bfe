"""`shakeout`: run a system by hand. This module only parses; each command has its own module.

By argparse, and with commands imported when they run: `shakeout --help` takes 50 ms, where typer and
rich alone take 300.
"""

import argparse
import importlib
import sys
from collections.abc import Sequence

from shakeout.cli import arguments
from shakeout.version import VERSION

EXAMPLES = """\
examples:
  shakeout up my.system:system --links           boot it, keep it until Ctrl-C
  shakeout ps                                    what runs, and what it costs
  shakeout logs manager -f --level warning       follow one component
  shakeout fault kill manager --for 5            break it, and undo that
  shakeout links manager agent --delay 50        make one edge slow
  shakeout timeline -f                           what happens, on one clock
  shakeout shell postgres                        talk to a service
  shakeout down                                  stop it
  shakeout doctor                                what this machine lacks

`shakeout COMMAND --help` shows more. The commands work on a cluster that
`pytest --keep` has left up, too.
NO_COLOR=1 leaves the colours out.
exit codes: 0 fine, 1 something failed, 2 wrong use
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    options = _parser().parse_args(argv)
    command = importlib.import_module(f"shakeout.cli.{arguments.module(options.command)}")
    errors = importlib.import_module("shakeout.cli.failures")
    try:
        return int(command.run(options))
    except errors.TOLD as failure:
        return int(errors.tell(failure, json=options.json))
    except KeyboardInterrupt:
        return 130
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
    for one in arguments.COMMANDS:
        command = commands.add_parser(
            one.name,
            help=one.summary,
            description=f"{one.summary[0].upper()}{one.summary[1:]}.",
            epilog=one.examples and f"examples:\n{one.examples}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        one.add(command)
        command.add_argument("--json", action="store_true", help="machine-readable output")
    return parser


if __name__ == "__main__":
    sys.exit(main())
