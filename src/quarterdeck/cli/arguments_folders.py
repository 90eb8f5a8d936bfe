"""The arguments of `qd folder` for the life of folders, for what is arranged in them, and for sharing them; and their help."""

import argparse

from quarterdeck.cli import arguments_kit as kit
from quarterdeck.cli.arguments_kit import Actions

FOLDER = "its name, its id or the end of that, or OWNER/NAME of a shared one"
INVITATION = "its id or the end of that, or the folder's name or OWNER/NAME"
PERMISSIONS = ("read", "write", "delete")
HOST_PERMISSIONS = ("create", "modify", "delete", "mount", "upload", "download", "invite")


def folders(folders: Actions) -> None:
    """Add the actions."""
    _life(folders)
    _arranging(folders)
    _sharing(folders)
    _hosts(folders)


def on_folder(
    folders: Actions, name: str, help_: str, *examples: str, more: str = ""
) -> argparse.ArgumentParser:
    """Add an action on one folder."""
    action = folders.add(name, help_, *examples, more=more)
    action.add_argument("folder", metavar="FOLDER", help=FOLDER)
    return action


def _user(action: argparse.ArgumentParser) -> None:
    action.add_argument("user", metavar="USER", help="name or id")


def _life(folders: Actions) -> None:
    on_folder(
        folders,
        "show",
        "tell what there is to know of a folder",
        "qd folder show data",
        "qd folder show ada/data --json",
        more="A folder in the trash is found, too.",
    )
    rename = on_folder(
        folders, "rename", "give a folder another name", "qd folder rename data raw-data"
    )
    rename.add_argument("name", metavar="NAME")
    clone = on_folder(
        folders,
        "clone",
        "make a folder of your own with the same files",
        "qd folder clone data data-2",
        "qd folder clone ada/data my-copy",
        more="While files are copied nobody begins to write in the source.\n"
        "A session that may write in it must end first.",
    )
    clone.add_argument("name", metavar="NAME")
    _ends(folders)
    transfer = on_folder(
        folders,
        "transfer",
        "give a folder to another user",
        "qd folder transfer data grace",
        more="Shares and invitations stay; the new owner has the say in them.\n"
        "What the folder holds counts for the new owner, who must have room for it.\n"
        "Refused while a live session mounts it, or the other has a folder of its name.",
    )
    _user(transfer)


def _ends(folders: Actions) -> None:
    rm = on_folder(
        folders,
        "rm",
        "put a folder into the trash, or remove a file in it",
        "qd folder rm data",
        "qd folder rm data --purge",
        "qd folder rm data old.csv",
        more="In the trash nobody uses a folder and nothing is removed: qd folder restore\n"
        "takes it out again, qd folder purge removes it for good.\n"
        "Refused while a live session mounts the folder.",
    )
    rm.add_argument("path", nargs="?", metavar="PATH", help="in the folder: only this, for good")
    rm.add_argument("--purge", action="store_true", help="for good, not into the trash")
    on_folder(
        folders,
        "restore",
        "take a folder out of the trash",
        "qd folder restore data",
        more="Of several in the trash with one name the last is meant: qd folder ls --trash",
    )
    on_folder(
        folders,
        "purge",
        "remove a folder that is in the trash for good",
        "qd folder purge data",
        more="Where the storage fails the folder is in DELETE_ERROR, and it is tried again\n"
        "by itself.",
    )


def _arranging(folders: Actions) -> None:
    mkdir = on_folder(
        folders, "mkdir", "make a directory in a folder", "qd folder mkdir data raw/2026"
    )
    mkdir.add_argument("path", metavar="PATH", help="in the folder")
    mv = on_folder(
        folders,
        "mv",
        "give a file or directory in a folder another path",
        "qd folder mv data old.csv raw/2026.csv",
        more="Nothing may be at the new path.",
    )
    _from_to(mv)
    _from_to(
        on_folder(
            folders,
            "cp",
            "copy a file or directory in a folder",
            "qd folder cp data raw/2026.csv tried/2026.csv",
            more="Nothing may be at the new path. From folder to folder: qd folder clone.",
        )
    )
    find = on_folder(
        folders,
        "find",
        "find files and directories in a folder",
        "qd folder find data '*.csv'",
        "qd folder find data 'raw/**/2026-*.csv' --limit 500",
        more="A pattern without a slash is for names at any depth, one with a slash for paths;\n"
        "** is any number of directories.",
    )
    find.add_argument("pattern", metavar="PATTERN")
    find.add_argument("path", nargs="?", default="", metavar="PATH", help="below this only")
    find.add_argument(
        "--limit", type=kit.count, metavar="N", help="at most so many, up to 1000 (default: 100)"
    )


def _from_to(action: argparse.ArgumentParser) -> None:
    action.add_argument("source", metavar="FROM", help="path in the folder")
    action.add_argument("target", metavar="TO", help="path in the folder")


def _sharing(folders: Actions) -> None:
    share = on_folder(
        folders,
        "share",
        "invite a user to a folder",
        "qd folder share data grace",
        "qd folder share data grace --to write",
        more="read: list, download, mount to read. write: change files, too, and mount to\n"
        "write. delete: put the folder into the trash, too.",
    )
    _user(share)
    share.add_argument("--to", choices=PERMISSIONS, default="read", help="default: read")
    invitations = folders.add(
        "invitations",
        "list what you are invited to, or who is to a folder",
        "qd folder invitations",
        "qd folder invitations data",
    )
    invitations.add_argument("folder", nargs="?", metavar="FOLDER", help="one of yours")
    for name, help_ in (
        ("accept", "accept an invitation"),
        ("reject", "reject an invitation, or leave a folder that is shared with you"),
    ):
        answer = folders.add(name, help_, f"qd folder {name} data", f"qd folder {name} ada/data")
        answer.add_argument("invitation", metavar="INVITATION", help=INVITATION)
    revoke = on_folder(
        folders,
        "revoke",
        "take back an invitation, or a share",
        "qd folder revoke data grace",
        more="From then on there is no new mount and no new copying; a token that was given\n"
        "before is good for a minute yet. Sessions that run and mount the folder run on:\n"
        "they are named. To share it for less, revoke it and share it again.",
    )
    revoke.add_argument("user", metavar="USER", help="name")


def _hosts(folders: Actions) -> None:
    quota = folders.add(
        "quota",
        "tell, or set, how much a user may keep on a storage host",
        "qd folder quota",
        "qd folder quota grace --size 10G --files 100000",
        "qd folder quota grace --unlimited",
        more="Others than one's own, and limits, are for administrators.",
    )
    quota.add_argument("user", nargs="?", metavar="USER", help="name or id (default: you)")
    quota.add_argument("--host", default="local", help="default: local")
    quota.add_argument("--size", type=kit.mebibytes, metavar="SIZE", help="such as 500M or 10G")
    quota.add_argument("--files", type=kit.count, metavar="N", help="files and directories")
    quota.add_argument("--unlimited", action="store_true", help="no limit any more")
    folders.add("hosts", "list the storage hosts and what they allow to you", "qd folder hosts")
    allow = folders.add(
        "allow",
        "have a storage host allow this to a role (administrators)",
        "qd folder allow local user create modify upload download",
        "qd folder allow archive user",
        more="What is not named is not allowed any more.",
    )
    allow.add_argument("host", metavar="HOST")
    allow.add_argument("role", choices=("admin", "user"), metavar="ROLE", help="admin or user")
    allow.add_argument(
        "permission",
        nargs="*",
        choices=(*HOST_PERMISSIONS, []),
        metavar="PERMISSION",
        help=", ".join(HOST_PERMISSIONS),
    )
