"""`qd session logs`: what a session has written, and what it goes on to write."""

import argparse
from collections.abc import Mapping
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
        _follow(session, transport, console, seen=answer, kernel=given.kernel)
    return 0


def _follow(
    session: dict[str, Any],
    transport: Transport,
    console: Console,
    *,
    seen: dict[str, Any],
    kernel: str | None,
) -> None:
    """Print what is added to the log, looking more seldom while there is nothing."""
    seconds = LOOK_SECONDS_MIN
    while True:
        clocks.pause(seconds)
        console.require_reader()
        ended = transport.insist(api.get_session(session["id"]))["status"] in SESSION_TERMINAL
        try:
            now = transport.insist(api.get_logs(session["id"], kernel))
        except Refused as error:  # where an ended session keeps no log
            if error.code != "session-not-running":
                raise
            now = seen
        new = added(seen, now)
        _put(new, console)
        seconds = LOOK_SECONDS_MIN if new else min(seconds * 1.5, LOOK_SECONDS_MAX)
        seen = now
        if ended:
            return


def added(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Return what has been added to a log of which only the newest part is kept: what was written since, as characters are counted.

    Where they are counted anew, as by an agent that has started again, it is found by what it says; all of it if nothing of the old is left.
    """
    text, old = str(now["text"]), str(before["text"])
    count = now.get("written", 0) - before.get("written", 0)
    both = text[: max(0, len(text) - count)]
    if count >= 0 and old.endswith(both[-_ANCHOR:]):
        return text[len(both) :]
    if text.startswith(old):
        return text[len(old) :]
    anchor = old[-_ANCHOR:]
    at = text.rfind(anchor)
    return text[at + len(anchor) :] if at >= 0 else text


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
