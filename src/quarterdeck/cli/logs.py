"""`qd session logs`: what a session has written."""

import argparse

from quarterdeck.cli.console import Console
from quarterdeck.client import api, procedures
from quarterdeck.client.transport import Transport


def logs(given: argparse.Namespace, transport: Transport, console: Console) -> int:
    """Print what a session has written, or the last lines of it."""
    session = transport.run(procedures.find_session(given.session))
    answer = transport.call(api.get_logs(session["id"], given.kernel))
    if console.as_json:
        console.json(answer)
    else:
        console.text(_tail(answer["text"], given.tail))
    return 0


def _tail(text: str, lines: int | None) -> str:
    if lines is None:
        return text
    return "".join(text.splitlines(keepends=True)[-lines:] if lines else ())
