"""Lets `pants test --test-timeout=SECONDS` mean the time-out of tests that name none of their own.

Pants 2.17 spells it `--test-timeout-default` only, and its command line aliases cannot begin with dashes.
An option of a subsystem takes its destination from its first flag name and its read-back from the last,
so the new name goes between two copies of the old one.
"""

from pants.core.goals.test import TestSubsystem


def rules():
    option = TestSubsystem.__dict__["timeout_default"]
    option._flag_names = ("--timeout-default", "--timeout", "--timeout-default")
    return ()
