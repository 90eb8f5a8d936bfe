"""`python -m quarterdeck.manager`: runs a manager as the environment configures it, until SIGTERM or SIGINT."""

import sys

import uvloop

from quarterdeck.base import lifecycle
from quarterdeck.manager import app, config


def main() -> int:
    """Run a manager; returns the exit code."""
    return lifecycle.run(app.COMPONENT, config.load, app.main, loop_factory=uvloop.new_event_loop)


if __name__ == "__main__":
    sys.exit(main())
