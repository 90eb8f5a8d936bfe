"""`shakeout env`: variables with which programs in a shell reach the running system."""

import argparse
import json
import shlex

from shakeout import settings
from shakeout.cli import text
from shakeout.hand import state


def run(options: argparse.Namespace) -> int:
    """Print `export NAME=value` lines for `eval`. Raises NothingRuns, SeveralRun."""
    found = state.choose(settings.read().home, options.name)
    if options.json:
        text.say(json.dumps(dict(found.environment)))
        return 0
    for name, value in found.environment.items():
        text.say(f"export {name}={shlex.quote(value)}")
    return 0
