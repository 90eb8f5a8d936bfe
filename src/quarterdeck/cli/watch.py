"""`qd session watch`: what happens to a session until it ends, or to all of one's own."""

import argparse
from typing import Any

from quarterdeck.cli import console as console_module
from quarterdeck.cli import reasons
from quarterdeck.cli.console import Console
from quarterdeck.client import api, procedures
from quarterdeck.client.events import Following
from quarterdeck.client.transport import Transport


def watch(given: argparse.Namespace, transport: Transport, console: Console) -> int:
    """Print changes as they come; the exit code tells how the one session went."""
    if given.session is None:
        return _watch_all(given, transport, console)
    session = transport.run(procedures.find_session(given.session))
    if console.live and session["status"] == "PENDING":
        console.note(reasons.of(transport.call(api.get_session(session["id"]))).what)
    for row in transport.follow(Following(api.session_events(session["id"]))):
        _tell(row, console, verbose=given.verbose)
    session = transport.insist(api.get_session(session["id"]))
    why = reasons.of(session)
    if not console.as_json:
        console.say(f"{console.paint(reasons.status(session))}: {why.what}")
    if console.live and why.next:
        console.note(f"  -> {why.next}")
    failed = session.get("result") == "FAILURE" or session["status"] == "CANCELLED"
    return 1 if failed else 0


def _watch_all(given: argparse.Namespace, transport: Transport, console: Console) -> int:
    """Print what happens to all own sessions, until somebody interrupts it."""
    names: dict[str, str] = {}
    console.note("what happens to your sessions from now on; Ctrl-C leaves")
    for row in transport.follow(Following(api.EVENTS)):
        id_ = row["session"]
        if id_ not in names and not console.as_json:
            names[id_] = procedures.short(transport.call(api.get_session(id_)))
        _tell(row, console, verbose=given.verbose, name=names.get(id_))
    return 0


def _tell(
    row: dict[str, Any], console: Console, *, verbose: bool, name: str | None = None
) -> None:
    if row.get("kernel") and not verbose:
        return
    if console.as_json:
        console.json_line(row)
        return
    what = f"kernel {row['kernel'][-4:]} {row['to_status']}" if row["kernel"] else row["to_status"]
    width = 26 if verbose else 12
    at = console_module.local_time(row["at"], date=False)
    who = f"  {name}" if name else ""
    console.text(
        f"{at}  {console.paint(row['to_status'], what.ljust(width))} {row['cause']}{who}\n"
    )
