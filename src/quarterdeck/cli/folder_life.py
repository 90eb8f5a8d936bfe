"""`qd folder` for the folder as a whole: show, rename, clone, rm, restore, purge, transfer; and what is arranged in it: mkdir, mv, cp, find."""

import argparse
from collections.abc import Callable, Mapping
from typing import Any

from quarterdeck.cli import console as console_module
from quarterdeck.cli.console import Console
from quarterdeck.client import api_folders as api
from quarterdeck.client import files, procedures, request
from quarterdeck.client.request import Grant, Prepared
from quarterdeck.client.transport import Transport


def show(given: argparse.Namespace, transport: Transport, console: Console) -> int:
    """Tell what there is to know of a folder: facts, shares, history."""
    folder = transport.run(procedures.find_any_folder(given.folder))
    own = folder["permission"] == "own"
    shares = transport.call(api.invitations_of(folder["id"]))["items"] if own else []
    history = transport.call(api.folder_history(folder["id"]))["items"]
    if console.as_json:
        console.json({**folder, "shares": shares, "history": history})
        return 0
    for name, value in _facts(folder):
        console.say(f"{name:<11}{value}")
    if shares:
        console.say("")
        rows = [(one["invitee"], one["permission"], one["status"]) for one in shares]
        console.table(("SHARED WITH", "TO", "STATUS"), rows, flexible=0, painted=2)
    console.say("")
    steps = [
        (row["to_status"], console_module.local_time(row["at"]), row["cause"], _actor(row, folder))
        for row in history
    ]
    console.table(("STATUS", "AT", "CAUSE", "BY"), steps, flexible=2, painted=0)
    return 0


def rename(given: argparse.Namespace, transport: Transport, console: Console) -> int:
    """Give a folder another name."""
    folder = transport.run(procedures.find_folder(given.folder))
    renamed = transport.call(api.rename_folder(folder["id"], given.name))
    return _told(renamed, console, f"{folder['name']} is {renamed['name']} now")


def clone(given: argparse.Namespace, transport: Transport, console: Console) -> int:
    """Make a folder with the files of another; print its id."""
    folder = transport.run(procedures.find_folder(given.folder))
    made = transport.call(api.clone_folder(folder["id"], given.name))
    if made["status"] == "CREATING":
        console.note(f"it goes on: qd folder show {made['name']}")
    return _told(made, console, made["id"])


def rm(given: argparse.Namespace, transport: Transport, console: Console) -> int:
    """Put a folder into the trash, or remove it for good, or remove something in it."""
    folder = transport.run(procedures.find_folder(given.folder))
    if given.path is not None:
        if given.purge:
            given.parser.error("--purge is for whole folders; files are removed for good anyway")
        transport.send(files.delete(_grant(folder, "write", transport), given.path))
        if console.as_json:
            console.json({"folder": folder["id"], "path": given.path})
        return 0
    left = transport.call(api.delete_folder(folder["id"], purge=given.purge))
    return _ended(left, console)


def restore(given: argparse.Namespace, transport: Transport, console: Console) -> int:
    """Take a folder out of the trash."""
    folder = transport.run(procedures.find_folder(given.folder, trash=True))
    return _ended(transport.call(api.restore_folder(folder["id"])), console)


def purge(given: argparse.Namespace, transport: Transport, console: Console) -> int:
    """Remove a folder that is in the trash for good."""
    folder = transport.run(procedures.find_folder(given.folder, trash=True))
    return _ended(transport.call(api.purge_folder(folder["id"])), console)


def transfer(given: argparse.Namespace, transport: Transport, console: Console) -> int:
    """Give a folder to another user."""
    folder = transport.run(procedures.find_folder(given.folder))
    left = transport.call(api.transfer_folder(folder["id"], given.user))
    return _told(left, console, f"{folder['name']} is {given.user}'s now")


def mkdir(given: argparse.Namespace, transport: Transport, console: Console) -> int:
    """Make a directory in a folder."""
    access = _access(given, "write", transport)
    made = request.answer("POST", transport.send(files.mkdir(access, given.path.strip("/"))))
    return _told(made, console, f"{made['path']}/")


def mv(given: argparse.Namespace, transport: Transport, console: Console) -> int:
    """Give something in a folder another path."""
    return _placed(files.move, given, transport, console)


def cp(given: argparse.Namespace, transport: Transport, console: Console) -> int:
    """Copy something in a folder."""
    return _placed(files.copy, given, transport, console)


def find(given: argparse.Namespace, transport: Transport, console: Console) -> int:
    """List what matches a pattern."""
    access = _access(given, "read", transport)
    wanted = files.search(access, given.pattern, given.path.strip("/"), given.limit)
    found = request.answer("GET", transport.send(wanted))
    if console.as_json:
        console.json(found)
        return 0
    for item in found["items"]:
        console.say(item["path"] + ("/" if item["kind"] == "directory" else ""))
    if found["more"]:
        console.note("there is more: --limit, or another pattern")
    return 0


def _placed(
    wanted: Callable[[Grant, str, str], Prepared],
    given: argparse.Namespace,
    transport: Transport,
    console: Console,
) -> int:
    access = _access(given, "write", transport)
    sent = transport.send(wanted(access, given.source.strip("/"), given.target.strip("/")))
    placed = request.answer("POST", sent)
    return _told(placed, console, str(placed["path"]))


def _facts(folder: Mapping[str, Any]) -> list[tuple[str, str]]:
    facts = [
        ("name", folder["name"]),
        ("id", folder["id"]),
        ("status", folder["status"]),
        ("why", folder.get("detail")),
        ("owner", folder["owner_name"]),
        ("you may", folder["permission"]),
        ("host", folder["host"]),
        ("clone of", folder.get("cloned_from")),
        ("created", console_module.local_time(folder["created_at"])),
    ]
    return [(name, str(value)) for name, value in facts if value]


def _actor(row: Mapping[str, Any], folder: Mapping[str, Any]) -> str:
    if row["actor"] == folder["owner"]:
        return str(folder["owner_name"])
    actor = str(row["actor"])
    return actor[-procedures.SHORT_ID :] if len(actor) == len(folder["id"]) else actor


def _ended(folder: Mapping[str, Any], console: Console) -> int:
    if folder["status"] == "TRASHED":
        console.note(f"to have it back: qd folder restore {folder['name']}")
    if folder["status"] == "DELETE_ERROR":
        console.note(f"{folder['detail']}; it goes on by itself: qd folder show {folder['id']}")
    return _told(folder, console, f"{folder['name']}  {console.paint(folder['status'])}")


def _told(answer: Mapping[str, Any], console: Console, line: str) -> int:
    if console.as_json:
        console.json(answer)
    else:
        console.say(line)
    return 0


def _access(given: argparse.Namespace, right: str, transport: Transport) -> Grant:
    return _grant(transport.run(procedures.find_folder(given.folder)), right, transport)


def _grant(folder: Mapping[str, Any], right: str, transport: Transport) -> Grant:
    return request.granted(transport.call(api.grant(folder["id"], right)))
