"""`qd session shell`: a terminal in a session. What speaks with the platform, `shell_link`, is imported when it is needed."""

import argparse
import sys
from typing import Any

from quarterdeck.cli.console import Console
from quarterdeck.cli.screen import Screen
from quarterdeck.client import procedures
from quarterdeck.client.transport import Transport

_NO_TERMINAL = (
    "a shell needs a terminal, as standard input and output; to run a command: "
    "qd session exec SESSION -- COMMAND"
)


def shell(given: argparse.Namespace, transport: Transport, console: Console) -> int:
    """Connect this terminal with one in a session, until its shell ends or is left."""
    if not all(stream and stream.isatty() for stream in (sys.stdin, sys.stdout)):
        given.parser.error(_NO_TERMINAL)
    session = transport.run(procedures.find_session(given.session))
    from quarterdeck.cli import shell_link  # here: no other command may wait for its imports

    screen = Screen(sys.stdin.fileno(), sys.stdout.fileno())
    console.note(f"{_name(session)}: Ctrl-] twice leaves, the shell goes on")
    with screen.raw():
        end = shell_link.run(transport.credentials, session["id"], given, screen)
    if end == shell_link.LEFT:
        screen.show(b"\r\n")
        console.note(f"left; the shell goes on: qd session shell {_name(session)}")
    return end.code


def _name(session: dict[str, Any]) -> str:
    return str(session.get("name") or session["id"][-procedures.SHORT_ID :])
