"""`python -m quarterdeck.manager.migrations upgrade [REVISION] | downgrade REVISION`: changes the schema of `QD_DATABASE_URL`."""

import argparse
import sys

from quarterdeck.base import config, errors
from quarterdeck.manager.errors import SchemaInUse
from quarterdeck.manager.migrations import schema


def main() -> int:
    """Run one command; returns the exit code: 0, 1 when others hold the tables, or 2 when the configuration is not usable."""
    parser = argparse.ArgumentParser(
        prog="python -m quarterdeck.manager.migrations",
        description="Move the schema of the database in QD_DATABASE_URL.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("upgrade", help="up to a revision, by default the newest")
    up.add_argument("revision", nargs="?", default="head")
    down = commands.add_parser("downgrade", help="down to a revision; `base` empties the database")
    down.add_argument("revision")
    given = parser.parse_args()
    try:
        url = config.environment().url("QD_DATABASE_URL")
    except errors.ConfigInvalid as error:
        sys.stderr.write(f"migrations: configuration: {error}\n")
        return 2
    move = schema.upgrade if given.command == "upgrade" else schema.downgrade
    try:
        move(url, given.revision)
    except SchemaInUse as error:
        sys.stderr.write(f"migrations: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
