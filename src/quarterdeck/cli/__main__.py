"""`qd`: the command line. Parses the arguments here; everything that needs the network is imported only to run a command."""

import sys
from collections.abc import Sequence

from quarterdeck.cli import arguments


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code: 0 done, 1 refused or failed, 2 not usable as typed, 130 interrupted."""
    given = arguments.parse(sys.argv[1:] if argv is None else argv)
    from quarterdeck.cli import (
        run,
    )  # here, because `qd --help` must not wait for the network's modules

    return run.run(given)


if __name__ == "__main__":
    sys.exit(main())
