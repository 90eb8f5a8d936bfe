"""`qd session show`: what a session is, why it waits or has ended, what it went through and how long that took."""

import argparse
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from quarterdeck.cli import console as console_module
from quarterdeck.cli import reasons
from quarterdeck.cli.console import Console
from quarterdeck.client import api, procedures
from quarterdeck.client.transport import Transport
from quarterdeck.wire.states import SESSION_TERMINAL


def show(given: argparse.Namespace, transport: Transport, console: Console) -> int:
    """Show a session and its history."""
    session = transport.run(procedures.find_session(given.session))
    if session["status"] not in {"RUNNING", *SESSION_TERMINAL}:
        session = transport.call(api.get_session(session["id"]))  # only then it tells why it waits
    history = transport.call(api.get_history(session["id"]))["items"]
    if console.as_json:
        console.json({**session, "history": history})
        return 0
    _headline(session, history, console)
    for title, value in _facts(session):
        console.say(f"{title:<10} {value}")
    console.say("")
    if session.get("cluster_size", 1) > 1 and session.get("kernels"):
        console.table(
            ("KERNEL", "STATUS", "AGENT", "ID"), _kernels(session), flexible=3, painted=1
        )
        console.say("")
    rows = list(_steps(session, history, console, verbose=given.verbose))
    console.table(("STATUS", "AT", "FOR", "CAUSE", "BY"), rows, flexible=3, painted=0)
    return 0


def _headline(session: dict[str, Any], history: list[dict[str, Any]], console: Console) -> None:
    status, why = reasons.status(session), reasons.of(session)
    since = next(row["at"] for row in reversed(history) if row.get("kernel") is None)
    past = console_module.duration(console.seconds_since(since))
    ago = f", {past} ago" if session["status"] in SESSION_TERMINAL else f" for {past}"
    console.say(f"{session['name'] or session['id']}  {console.paint(status)}{ago}")
    if why.what and session["status"] != "RUNNING":
        console.say(f"  {why.what}")
        if why.next:
            console.say(f"  -> {why.next}")
    console.say("")


def _facts(session: dict[str, Any]) -> list[tuple[str, str]]:
    mounts = ", ".join(map(_mount, session["mounts"]))
    after = ", ".join(each[-procedures.SHORT_ID :] for each in session.get("depends_on", ()))
    ended = session.get("terminated_at")
    code = session.get("exit_code")
    facts = [
        ("id", session["id"]),
        ("type", session.get("type")),
        ("image", session["image"]),
        ("command", " ".join(map(_quoted, session.get("command", ())))),
        ("slots", _slots(session)),
        ("limits", _limits(session.get("limits") or {})),
        ("ends after", _times(session)),
        ("isolation", session.get("isolation")),
        ("agent", session.get("agent")),
        ("mounts", mounts),
        ("after", after),
        ("result", session.get("result")),
        ("exit code", None if code is None else str(code)),
        ("created", console_module.local_time(session["created_at"])),
        ("ended", console_module.local_time(ended) if ended else None),
    ]
    return [(title, str(value)) for title, value in facts if value]


def _slots(session: dict[str, Any]) -> str:
    slots, kernels = session["slots"], session.get("cluster_size", 1)
    each = f", for each of {kernels} kernels" if kernels > 1 else ""
    return f"{slots['cpu']} cpu, {slots['memory_mib']} MiB{each}"


def _limits(limits: dict[str, Any]) -> str:
    seconds = limits.get("cpu_seconds")
    return ", ".join(
        text
        for text in (
            f"{limits['pids']} processes" if "pids" in limits else "",
            f"{limits['disk_mib']} MiB of disk" if "disk_mib" in limits else "",
            f"{seconds} s of processor time" if seconds else "",
        )
        if text
    )


def _times(session: dict[str, Any]) -> str:
    times = (("batch", "of its command"), ("lifetime", "of running"), ("idle", "idle"))
    return ", ".join(
        f"{console_module.duration(seconds)} {what}"
        for name, what in times
        if (seconds := session.get(f"{name}_seconds"))
    )


def _kernels(session: dict[str, Any]) -> list[tuple[str, ...]]:
    return [
        (each["hostname"], each["status"], each["agent"], each["id"])
        for each in session["kernels"]
    ]


def _steps(
    session: dict[str, Any], history: list[dict[str, Any]], console: Console, *, verbose: bool
) -> Iterator[tuple[str, ...]]:
    own = [row for row in history if row.get("kernel") is None]
    names = {each["id"]: each["hostname"] for each in session.get("kernels", ())}
    for row in history:
        kernel = row.get("kernel")
        if kernel and not verbose:
            continue
        yield (
            f"  {names.get(kernel, kernel[-4:])} {row['to_status']}"
            if kernel
            else row["to_status"],
            console_module.local_time(row["at"], date=False),
            "" if kernel else _lasted(row, own, console),
            row["cause"],
            _actor(row["actor"], session),
        )


def _lasted(row: dict[str, Any], own: list[dict[str, Any]], console: Console) -> str:
    """Return how long the session was in the state of this row."""
    if row["to_status"] in SESSION_TERMINAL:
        return ""
    later = [each["at"] for each in own if each["seq"] > row["seq"]]
    if not later:
        return console_module.duration(console.seconds_since(row["at"]))
    span = datetime.fromisoformat(later[0]) - datetime.fromisoformat(row["at"])
    return console_module.duration(span.total_seconds())


def _actor(actor: str, session: dict[str, Any]) -> str:
    if actor == session["owner"]:
        return "owner"
    return actor[-procedures.SHORT_ID :] if len(actor) == 36 else actor


def _quoted(word: str) -> str:
    plain = word and all(each.isalnum() or each in "-_./:=,@%+" for each in word)
    return word if plain else "'" + word.replace("'", "'\\''") + "'"


def _mount(mount: dict[str, Any]) -> str:
    below = f"/{mount['subpath']}" if mount.get("subpath") else ""
    how = ", to read only" if mount.get("read_only") else ""
    return f"{mount['folder']}{below} at {mount['path']}{how}"
