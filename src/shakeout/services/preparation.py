"""The process that runs a user's `prepare` function: `module:function` and its argument from argv."""

import importlib
import sys


def main() -> None:
    """Import the function named by the first argument, call it with the second."""
    _, target, argument = sys.argv
    module, _, function = target.partition(":")
    getattr(importlib.import_module(module), function)(argument)
