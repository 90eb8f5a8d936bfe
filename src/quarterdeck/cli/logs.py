"""`qd session logs`: what a session has written, and what it goes on to write."""

import argparse
from typing import Any

from quarterdeck.base import clock as clocks
from quarterdeck.cli.console import Console
from quarterdeck.client import api, procedures
from quarterdeck.client.errors import Refused
from quarterdeck.client.transport import Transport
from quarterdeck.wire.states import SESSION_TERMINAL

LOOK_SECONDS_MIN = 0.1
LOOK_SECONDS_MAX = 1.0
_ANCHOR = 2048


def logs(given: argparse.Namespace, transport: Transport, console: Console) -> int:
    """Print what a session has written, or the last lines of it; with `follow` also what comes, until the session ends."""
    session = transport.run(procedures.find_session(given.session))
    answer = transport.call(api.get_logs(session["id"], given.kernel))
    if console.as_json and not given.follow:
        console.json({**answer, "text": _tail(answer["text"], given.tail)})
        return 0
    _put(_tail(answer["text"], given.tail), console)
    if given.follow:
        _follow(session, transport, console, text=answer["text"], kernel=given.kernel)
    return 0


def _follow(
    session: dict[str, Any],
    transport: Transport,
    console: Console,
    *,
    text: str,
    kernel: str | None,
) -> None:
    """Print what is added to the log, looking more seldom while there is nothing."""
    seconds = LOOK_SECONDS_MIN
    while True:
        clocks.pause(seconds)
        ended = transport.insist(api.get_session(session["id"]))["status"] in SESSION_TERMINAL
        try:
            now = transport.insist(api.get_logs(session["id"], kernel))["text"]
        except Refused as error:  # where an ended session keeps no log
            if error.code != "session-not-running":
                raise
            now = text
        new = added(text, now)
        _put(new, console)
        seconds = LOOK_SECONDS_MIN if new else min(seconds * 1.5, LOOK_SECONDS_MAX)
        text = now
        if ended:
            return


def added(before: str, now: str) -> str:
    """Return what has been added to a log of which only the newest part is kept; all of it if nothing of the old is left."""
    if now.startswith(before):
        return now[len(before) :]
    anchor = before[-_ANCHOR:]
    at = now.rfind(anchor)
    return now[at + len(anchor) :] if at >= 0 else now


def _put(text: str, console: Console) -> None:
    if not text:
        return
    if console.as_json:
        console.json_line({"text": text})
    else:
        console.text(text)


def _tail(text: str, lines: int | None) -> str:
    if lines is None:
        return text
    return "".join(text.splitlines(keepends=True)[-lines:] if lines else ())
