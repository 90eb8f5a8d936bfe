"""The arguments of `qd cp`, `qd folder upload` and `qd folder download`, and their help."""

import argparse

from quarterdeck.cli import arguments_folders
from quarterdeck.cli import arguments_kit as kit
from quarterdeck.cli.arguments_kit import Actions, Parser

_MORE = """\
Large files go in pieces and survive broken connections. After Ctrl-C the same
command goes on where it ended. What is sent is compared by its CRC-32. In a
directory links are not followed: what is left out is told (--json: listed)."""


def cp(commands: "argparse._SubParsersAction[Parser]") -> None:
    """Add `qd cp`."""
    copy = kit.command(
        commands,
        "cp",
        "copy files between here and a folder",
        "qd cp measurements.csv data:raw/",
        "qd cp -r ./scripts data:",
        "qd cp 'data:results/*.csv' .",
        "qd cp ada/data:model.json .",
        "qd cp -r --checksum data:results ./results",
        more=_MORE,
    )
    copy.add_argument(
        "sources", nargs="+", metavar="SOURCE", help="paths here, or FOLDER:PATH; * ? [] and **"
    )
    copy.add_argument(
        "target",
        metavar="TARGET",
        help="FOLDER:PATH, or a path here; OWNER/NAME:PATH is in a shared folder, ./a:b is here",
    )
    copy.add_argument("-r", "--recursive", action="store_true", help="directories, too")
    _checksum(copy)


def transfers(folders: Actions) -> None:
    """Add the actions of `qd folder` that copy."""
    upload = arguments_folders.on_folder(
        folders,
        "upload",
        "copy a file or directory into a folder",
        "qd folder upload data measurements.csv",
        "qd folder upload data measurements.csv raw/2026.csv",
        "qd folder upload data ./scripts",
        more=_MORE,
    )
    upload.add_argument("local", metavar="LOCAL", help="file, directory or pattern here")
    upload.add_argument("remote", nargs="?", metavar="REMOTE", help="path in the folder")
    upload.set_defaults(recursive=True, checksum=False)
    download = arguments_folders.on_folder(
        folders,
        "download",
        "copy a file or directory out of a folder",
        "qd folder download data results.json",
        "qd folder download data results ./results",
        "qd folder download data 'results/*.csv' .",
        more=_MORE,
    )
    download.add_argument("remote", metavar="REMOTE", help="path or pattern in the folder")
    download.add_argument("local", nargs="?", default=".", metavar="LOCAL", help="path here")
    _checksum(download)
    download.set_defaults(recursive=True)


def _checksum(action: argparse.ArgumentParser) -> None:
    action.add_argument(
        "--checksum", action="store_true", help="compare what was fetched by SHA-256, too"
    )
