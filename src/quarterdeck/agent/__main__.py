"""Starts an agent: `python -m quarterdeck.agent`, as the environment configures it, until SIGTERM or SIGINT."""

import sys

import uvloop

from quarterdeck.agent import app, config
from quarterdeck.base import lifecycle


def main() -> int:
    """Run an agent and return the exit code."""
    return lifecycle.run(app.COMPONENT, config.load, app.main, loop_factory=uvloop.new_event_loop)


if __name__ == "__main__":
    sys.exit(main())
