"""Carrying out a command: configuration, transport, the function of the command, and errors as words and an exit code."""

import argparse
import os
import sys
from collections.abc import Callable, Mapping

from quarterdeck.base import config
from quarterdeck.base.clock import SystemClock
from quarterdeck.base.errors import ConfigInvalid, QuarterdeckError
from quarterdeck.cli import agents, folders, sessions, users, words
from quarterdeck.cli.console import Console
from quarterdeck.client.request import Credentials
from quarterdeck.client.transport import Transport

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130

Command = Callable[[argparse.Namespace, Transport, Console], int]

COMMANDS: Mapping[str, Command] = {
    "session-create": sessions.create,
    "session-ls": sessions.ls,
    "session-show": sessions.show,
    "session-exec": sessions.execute,
    "session-logs": sessions.logs,
    "session-rm": sessions.rm,
    "folder-create": folders.create,
    "folder-ls": folders.ls,
    "folder-upload": folders.upload,
    "folder-download": folders.download,
    "folder-rm": folders.rm,
    "user-create": users.create,
    "user-ls": users.ls,
    "user-me": users.me,
    "user-rm": users.rm,
    "agent-ls": agents.ls,
}


def run(given: argparse.Namespace) -> int:
    """Run the command that was given and return its exit code."""
    clock = SystemClock()
    console = Console(sys.stdout, sys.stderr, clock, as_json=given.json)
    try:
        transport = Transport(_credentials(config.environment()), clock)
    except ConfigInvalid as error:
        console.complain(words.of(error))
        return EXIT_USAGE
    try:
        code = COMMANDS[given.command](given, transport, console)
        sys.stdout.flush()
    except QuarterdeckError as error:
        console.complain(words.of(error), error)
        return EXIT_FAILED
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILED
    else:
        return code
    finally:
        transport.close()


def _credentials(environment: config.Environment) -> Credentials:
    return Credentials(
        environment.text("QD_URL"),
        environment.text("QD_ACCESS_KEY"),
        environment.secret("QD_SECRET_KEY").reveal(),
    )
