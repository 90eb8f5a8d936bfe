"""`qd session`: create, ls, show, exec, logs, rm."""

import argparse
import sys
from pathlib import Path
from typing import Any

from quarterdeck.cli.console import Console
from quarterdeck.client import api, procedures
from quarterdeck.client.errors import FileUnusable
from quarterdeck.client.transport import Transport


def create(given: argparse.Namespace, transport: Transport, console: Console) -> int:
    """Ask for a session; print its id."""
    folders = {name: transport.run(procedures.find_folder(name))["id"] for name, _ in given.mount}
    request = api.create_session(
        given.image,
        slots={"cpu": given.cpu, "memory_mib": given.memory},
        name=given.name,
        mounts=[{"folder": folders[name], "path": path} for name, path in given.mount],
        environment=dict(given.env),
    )
    session = transport.call(request)
    if given.wait:
        _wait(session["id"], "RUNNING", given, transport)
        session = transport.call(api.get_session(session["id"]))
    if console.as_json:
        console.json(session)
    else:
        console.say(session["id"])
    return 0


def ls(given: argparse.Namespace, transport: Transport, console: Console) -> int:
    """List sessions."""
    answer = transport.call(api.list_sessions(status=given.status, ended=given.all))
    if console.as_json:
        console.json(answer["items"])
        return 0
    rows = [_row(session, console) for session in answer["items"]]
    console.table(("ID", "NAME", "STATUS", "CPU", "MIB", "AGE"), rows, flexible=1)
    return 0


def show(given: argparse.Namespace, transport: Transport, console: Console) -> int:
    """Show a session and its history."""
    session = transport.run(procedures.find_session(given.session))
    history = transport.call(api.get_history(session["id"]))["items"]
    if console.as_json:
        console.json({**session, "history": history})
        return 0
    for title, value in _facts(session):
        console.say(f"{title:<9} {value}")
    console.say("")
    rows = [
        (row["at"][:23].replace("T", " "), _what(row), row["cause"], row["actor"])
        for row in history
    ]
    console.table(("AT", "STATUS", "CAUSE", "BY"), rows, flexible=3)
    return 0


def execute(given: argparse.Namespace, transport: Transport, console: Console) -> int:
    """Run code; its output and traceback become ours, and its exception our exit code 1."""
    code = _code(given)
    session = transport.run(procedures.find_session(given.session))
    execution = transport.call(api.execute(session["id"], code))
    if console.as_json:
        console.json(execution)
        return 0 if execution["status"] == "ok" else 1
    console.text(execution["stdout"])
    console.error_text(execution["stderr"])
    if execution.get("truncated"):
        console.error_text("qd: the output was longer and has been cut\n")
    if (error := execution.get("error")) is not None:
        console.error_text(error["traceback"].rstrip("\n") + "\n")
        return 1
    if (result := execution.get("result")) is not None:
        console.say(result)
    return 0


def logs(given: argparse.Namespace, transport: Transport, console: Console) -> int:
    """Print what a session has written."""
    session = transport.run(procedures.find_session(given.session))
    answer = transport.call(api.get_logs(session["id"]))
    if console.as_json:
        console.json(answer)
    else:
        console.text(answer["text"])
    return 0


def rm(given: argparse.Namespace, transport: Transport, console: Console) -> int:
    """End sessions."""
    ended = [transport.run(procedures.find_session(each)) for each in given.sessions]
    for session in ended:
        transport.call(api.delete_session(session["id"]))
    for session in ended if given.wait else ():
        _wait(session["id"], "TERMINATED", given, transport)
    if console.as_json:
        console.json([session["id"] for session in ended])
    return 0


def _wait(id_: str, status: str, given: argparse.Namespace, transport: Transport) -> None:
    progress = procedures.Progress(id_)
    with transport.within(given.within, f"session {id_} is not {status}"):
        if status == "TERMINATED":
            transport.run(procedures.end(progress))
        else:
            transport.run(procedures.reach(progress, status))


def _code(given: argparse.Namespace) -> str:
    if given.code is not None:
        return str(given.code)
    if given.file in {None, "-"}:
        return sys.stdin.read()
    try:
        return Path(given.file).read_text(encoding="utf-8")
    except OSError as error:
        raise FileUnusable(f"cannot read {given.file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise FileUnusable(f"{given.file} is not text in UTF-8") from error


def _row(session: dict[str, Any], console: Console) -> tuple[str, ...]:
    slots = session["slots"]
    return (
        session["id"],
        session["name"] or "-",
        session["status"],
        str(slots["cpu"]),
        str(slots["memory_mib"]),
        console.age(session["created_at"]),
    )


def _facts(session: dict[str, Any]) -> list[tuple[str, str]]:
    slots = session["slots"]
    mounts = ", ".join(f"{mount['folder']} at {mount['path']}" for mount in session["mounts"])
    facts = [
        ("session", session["id"]),
        ("name", session["name"]),
        ("status", session["status"]),
        ("reason", session.get("reason")),
        ("image", session["image"]),
        ("slots", f"{slots['cpu']} cpu, {slots['memory_mib']} MiB"),
        ("agent", session.get("agent")),
        ("mounts", mounts),
        ("created", session["created_at"]),
        ("ended", session.get("terminated_at")),
    ]
    return [(title, str(value)) for title, value in facts if value]


def _what(row: dict[str, Any]) -> str:
    return f"kernel {row['to_status']}" if row.get("kernel") else str(row["to_status"])
