"""`qd folder` for folders that several use: share, invitations, accept, reject, revoke; and what storage hosts allow: hosts, allow, quota."""

import argparse
from collections.abc import Mapping
from typing import Any

from quarterdeck.cli import console as console_module
from quarterdeck.cli.console import Console, bytes_in_words
from quarterdeck.client import api as main_api
from quarterdeck.client import api_folders as api
from quarterdeck.client import procedures
from quarterdeck.client.transport import Transport

MEBIBYTE = 1 << 20


def share(given: argparse.Namespace, transport: Transport, console: Console) -> int:
    """Invite a user to a folder; print the id of the invitation."""
    folder = transport.run(procedures.find_folder(given.folder))
    made = transport.call(api.invite(folder["id"], given.user, given.to))
    console.note(
        f"{given.user} may take it: qd folder accept {made['id'][-procedures.SHORT_ID :]}"
    )
    if console.as_json:
        console.json(made)
    else:
        console.say(made["id"])
    return 0


def invitations(given: argparse.Namespace, transport: Transport, console: Console) -> int:
    """List what one is invited to, or who is invited to a folder."""
    wanted = api.list_invitations()
    if given.folder is not None:
        wanted = api.invitations_of(transport.run(procedures.find_folder(given.folder))["id"])
    items = transport.call(wanted)["items"]
    if console.as_json:
        console.json(items)
        return 0
    rows = [
        (
            one["id"][-procedures.SHORT_ID :],
            one["folder_name"],
            one["owner"],
            one["invitee"],
            one["permission"],
            one["status"],
            console.age(one["created_at"]),
        )
        for one in items
    ]
    titles = ("ID", "FOLDER", "OWNER", "FOR", "TO", "STATUS", "AGE")
    console.table(titles, rows, flexible=1, painted=5)
    return 0


def accept(given: argparse.Namespace, transport: Transport, console: Console) -> int:
    """Accept an invitation; the folder is listed from now on."""
    found = transport.run(procedures.find_invitation(given.invitation))
    return _told(transport.call(api.accept_invitation(found["id"])), console)


def reject(given: argparse.Namespace, transport: Transport, console: Console) -> int:
    """Reject an invitation, or leave a folder."""
    found = transport.run(procedures.find_invitation(given.invitation))
    return _ended(transport.call(api.end_invitation(found["id"])), console)


def revoke(given: argparse.Namespace, transport: Transport, console: Console) -> int:
    """Take back an invitation, or a share."""
    folder = transport.run(procedures.find_folder(given.folder))
    found = transport.run(procedures.find_invitee(folder["id"], given.user))
    return _ended(transport.call(api.end_invitation(found["id"])), console)


def hosts(_: argparse.Namespace, transport: Transport, console: Console) -> int:
    """List the storage hosts and what they allow."""
    items = transport.call(api.list_hosts())["items"]
    if console.as_json:
        console.json(items)
        return 0
    rows = [(one["name"], ", ".join(one["permissions"]) or "nothing") for one in items]
    console.table(("HOST", "YOU MAY"), rows, flexible=1)
    return 0


def allow(given: argparse.Namespace, transport: Transport, console: Console) -> int:
    """Have a storage host allow something to a role, and nothing else."""
    transport.call(api.allow_on_host(given.host, given.role, given.permission))
    if console.as_json:
        console.json({"host": given.host, "role": given.role, "permissions": given.permission})
    return 0


def quota(given: argparse.Namespace, transport: Transport, console: Console) -> int:
    """Tell how much a user may keep on a storage host, after setting it if asked."""
    if given.unlimited and (given.size, given.files) != (None, None):
        given.parser.error("--unlimited goes with no other limit")
    user = given.user or transport.call(main_api.get_me())["name"]
    seen = transport.call(api.get_quota(given.host, user))
    if given.unlimited or given.size is not None or given.files is not None:
        limits = {"bytes": None, "inodes": None} if given.unlimited else dict(seen["limits"])
        size = limits["bytes"] if given.size is None else given.size * MEBIBYTE
        inodes = limits["inodes"] if given.files is None else given.files
        seen = transport.call(api.set_quota(given.host, user, size=size, inodes=inodes))
    if console.as_json:
        console.json(seen)
        return 0
    limits = seen["limits"]
    size = "" if limits["bytes"] is None else f" of {bytes_in_words(limits['bytes'])}"
    many = "" if limits["inodes"] is None else f" of {limits['inodes']}"
    held = f"{bytes_in_words(seen['bytes_used'])}{size}, {seen['inodes_used']}{many} files"
    console.say(f"{user} on {given.host}: {held}")
    return 0


def _ended(invitation: Mapping[str, Any], console: Console) -> int:
    """Tell what has ended, and what goes on all the same."""
    _told(invitation, console)
    if console.as_json or not invitation["tokens_until"]:
        return 0
    until = console_module.local_time(invitation["tokens_until"])
    console.say(f"nothing new is copied after {until}; what has begun goes on")
    if invitation["sessions"]:
        console.say(f"sessions of {invitation['invitee']} that run on with it:")
        rows = [
            (one["id"], one["name"] or "", "read" if one["read_only"] else "write")
            for one in invitation["sessions"]
        ]
        console.table(("ID", "NAME", "TO"), rows, flexible=1)
    return 0


def _told(invitation: Mapping[str, Any], console: Console) -> int:
    if console.as_json:
        console.json(invitation)
    else:
        who = f"{invitation['owner']}/{invitation['folder_name']} for {invitation['invitee']}"
        how = f"to {invitation['permission']}"
        console.say(f"{who}, {how}: {console.paint(invitation['status'])}")
    return 0
