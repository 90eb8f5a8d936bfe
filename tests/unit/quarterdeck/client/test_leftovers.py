"""What a copy of a tree leaves out is known, here and in a folder."""

import os
import socket

import pytest

from quarterdeck.client import files, leftovers
from quarterdeck.client.errors import FileUnusable
from quarterdeck.client.leftovers import LeftOut


def test_upload_leaves_out_what_is_no_file(tmp_path, monkeypatch):
    """Links are not followed, also not those that stay inside. Make one thing of each kind; each is copied or named."""
    tree = tmp_path / "d"
    (tree / "deep" / "empty").mkdir(parents=True)
    (tree / "deep" / "x").write_bytes(b"x")
    (tree / "latest").symlink_to("deep/x")
    (tree / "all").symlink_to("deep")
    (tree / "gone").symlink_to("nowhere")
    os.mkfifo(tree / "pipe")
    monkeypatch.chdir(tree)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
    assert leftovers.here(tree) == [
        LeftOut(f"{tree}/all", "a symbolic link"),
        LeftOut(f"{tree}/deep/empty", "an empty directory"),
        LeftOut(f"{tree}/gone", "a symbolic link"),
        LeftOut(f"{tree}/latest", "a symbolic link"),
        LeftOut(f"{tree}/pipe", "a named pipe"),
        LeftOut(f"{tree}/socket", "a socket"),
    ]
    assert [copy.remote for copy in files.uploads(tree, None)] == ["d/deep/x"]


def test_what_is_named_is_copied(tmp_path):
    """A link on the command line is what it leads to; of a directory with nothing in it nothing is copied."""
    (tmp_path / "x").write_bytes(b"x")
    (tmp_path / "link").symlink_to("x")
    assert leftovers.here(tmp_path / "link") == []
    (tmp_path / "empty").mkdir()
    assert leftovers.here(tmp_path / "empty") == [
        LeftOut(str(tmp_path / "empty"), "an empty directory")
    ]


def test_directory_that_cannot_be_read_is_no_empty_one(tmp_path, monkeypatch):
    """What nobody can look into is not passed over. Let the system refuse one directory of the tree."""
    (tmp_path / "d" / "secret").mkdir(parents=True)
    look = os.scandir

    def refused(path):
        if str(path).endswith("secret"):
            raise PermissionError(13, "Permission denied", str(path))
        return look(path)

    monkeypatch.setattr(os, "scandir", refused)
    with pytest.raises(FileUnusable, match=r"cannot read .*/d/secret: Permission denied"):
        files.uploads(tmp_path / "d", None)


def test_download_leaves_out_what_is_no_file():
    entries = [
        {"path": "d", "kind": "directory"},
        {"path": "d/x", "kind": "file"},
        {"path": "d/latest", "kind": "other"},
        {"path": "d/empty", "kind": "directory"},
    ]
    assert list(leftovers.there(entries)) == [
        LeftOut("d/latest", "a link, or what else is no file"),
        LeftOut("d/empty", "an empty directory"),
    ]
