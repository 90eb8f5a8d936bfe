"""`qd`: the command line. Parses the arguments here; everything that needs the network is imported only to run a command."""

import sys
from collections.abc import Sequence

EXIT_INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code: 0 done, 1 refused or failed, 2 not usable as typed, 130 interrupted, 141 not read."""
    try:
        return _main(sys.argv[1:] if argv is None else argv)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED


def _main(argv: Sequence[str]) -> int:
    if argv[:1] == ["__complete"]:
        from quarterdeck.cli import completing  # here: shells alone ask for it

        return completing.main(argv[1:])
    from quarterdeck.cli import arguments  # here, because Ctrl-C may come while it is loaded

    given = arguments.parse(argv)
    from quarterdeck.cli import (
        run,
    )  # here, because `qd --help` must not wait for the network's modules

    return run.run(given)


if __name__ == "__main__":
    sys.exit(main())
