"""`qd folder`: create, ls. `copying` has upload and download, `folder_life` and `folder_shares` the rest."""

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
    if given.trash and given.folder:
        given.parser.error("--trash is for whole folders")
    items = (
        _files(given, transport)
        if given.folder
        else transport.call(api.list_folders(trash=given.trash))["items"]
    )
    if console.as_json:
        console.json(items)
    elif given.folder:
        rows = [(_path(item), _size(item), console.age(item["modified_at"])) for item in items]
        console.table(("PATH", "SIZE", "AGE"), rows, flexible=0)
    else:
        titles = ("ID", "NAME", "OWNER", "YOU MAY", "STATUS", "HOST", "AGE")
        console.table(titles, [_row(item, console) for item in items], flexible=1, painted=4)
    return 0


def _files(given: argparse.Namespace, transport: Transport) -> list[dict[str, Any]]:
    grant = _grant(_find(given, transport), "read", transport)
    listed = transport.send(files.ls(grant, given.path.strip("/"), recursive=given.recursive))
    items: list[dict[str, Any]] = request.answer("GET", listed)["items"]
    return items


def _find(given: argparse.Namespace, transport: Transport) -> str:
    return str(transport.run(procedures.find_folder(given.folder))["id"])


def _grant(id_: str, right: str, transport: Transport) -> Grant:
    return request.granted(transport.call(api.grant(id_, right)))


def _row(item: dict[str, Any], console: Console) -> tuple[str, ...]:
    return (
        item["id"][-procedures.SHORT_ID :],
        item["name"],
        item["owner_name"],
        item["permission"],
        item["status"],
        item["host"],
        console.age(item["created_at"]),
    )


def _path(item: dict[str, Any]) -> str:
    return str(item["path"]) + ("/" if item["kind"] == "directory" else "")


def _size(item: dict[str, Any]) -> str:
    return console_module.bytes_in_words(item["size"]) if item["kind"] == "file" else "-"
