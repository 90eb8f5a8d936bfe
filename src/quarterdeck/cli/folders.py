"""`qd folder`: create, ls, rm. `copying` has upload and download."""

import argparse
from typing import Any

from quarterdeck.cli import console as console_module
from quarterdeck.cli.console import Console
from quarterdeck.client import api_folders as api
from quarterdeck.client import files, procedures, request
from quarterdeck.client.request import Grant
from quarterdeck.client.transport import Transport


def create(given: argparse.Namespace, transport: Transport, console: Console) -> int:
    """Make a folder; print its id."""
    folder = transport.call(api.create_folder(given.name, given.host))
    if console.as_json:
        console.json(folder)
    else:
        console.say(folder["id"])
    return 0


def ls(given: argparse.Namespace, transport: Transport, console: Console) -> int:
    """List folders, or the files of one."""
    items = (
        _files(given, transport) if given.folder else transport.call(api.list_folders())["items"]
    )
    if console.as_json:
        console.json(items)
    elif given.folder:
        rows = [(_path(item), _size(item), console.age(item["modified_at"])) for item in items]
        console.table(("PATH", "SIZE", "AGE"), rows, flexible=0)
    else:
        rows_of_folders = [
            (item["id"], item["name"], item["host"], console.age(item["created_at"]))
            for item in items
        ]
        console.table(("ID", "NAME", "HOST", "AGE"), rows_of_folders, flexible=1)
    return 0


def rm(given: argparse.Namespace, transport: Transport, console: Console) -> int:
    """Delete a folder, or something in it."""
    id_ = _find(given, transport)
    if given.path is None:
        transport.call(api.delete_folder(id_))
    else:
        transport.send(files.delete(_grant(id_, "write", transport), given.path))
    if console.as_json:
        console.json({"folder": id_, "path": given.path})
    return 0


def _files(given: argparse.Namespace, transport: Transport) -> list[dict[str, Any]]:
    grant = _grant(_find(given, transport), "read", transport)
    listed = transport.send(files.ls(grant, given.path.strip("/"), recursive=given.recursive))
    items: list[dict[str, Any]] = request.loads(listed)["items"]
    return items


def _find(given: argparse.Namespace, transport: Transport) -> str:
    return str(transport.run(procedures.find_folder(given.folder))["id"])


def _grant(id_: str, right: str, transport: Transport) -> Grant:
    answer = transport.call(api.grant(id_, right))
    return Grant(answer["url"], answer["token"])


def _path(item: dict[str, Any]) -> str:
    return str(item["path"]) + ("/" if item["kind"] == "directory" else "")


def _size(item: dict[str, Any]) -> str:
    return console_module.bytes_in_words(item["size"]) if item["kind"] == "file" else "-"
