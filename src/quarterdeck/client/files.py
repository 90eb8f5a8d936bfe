"""Requests for the files of a folder to the storage-proxy, and the walks over local and remote trees. No network here."""

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from isal import isal_zlib

from quarterdeck.client import request
from quarterdeck.client.errors import ContentDiffers, FileUnusable
from quarterdeck.client.request import Grant, Prepared

BLOCK_BYTES = 1024 * 1024
_CLIENT = "/client/v1"
_FILES = f"{_CLIENT}/files"


Report = Callable[[int], None]
"""Is told how many bytes of a file are there."""


class Copy(NamedTuple):
    """One file to copy, between a local path and a path in the folder; its size in bytes where that is known."""

    local: Path
    remote: str
    size: int = 0


def put(grant: Grant, remote: str, size: int, crc: str) -> Prepared:
    """Return the request that writes a file; its body, of `size` bytes and with this CRC-32, is sent by the transport."""
    prepared = request.with_token(grant, "PUT", f"{_FILES}/{_quoted(remote)}")
    headers = {
        "Content-Type": "application/octet-stream",
        "Content-Length": str(size),
        "X-Content-CRC32": crc,
    }
    return prepared._replace(headers={**prepared.headers, **headers})


def get(grant: Grant, remote: str) -> Prepared:
    """Return the request that reads a file."""
    return request.with_token(grant, "GET", f"{_FILES}/{_quoted(remote)}")


def head(grant: Grant, remote: str) -> Prepared:
    """Return the request for size and version of a file."""
    return request.with_token(grant, "HEAD", f"{_FILES}/{_quoted(remote)}")


def checksum(grant: Grant, remote: str, algorithm: str) -> Prepared:
    """Return the request for the checksum of a file, `sha256` or `crc32`."""
    query = (("path", remote.strip("/")), ("algorithm", algorithm))
    return request.with_token(grant, "GET", f"{_CLIENT}/checksum", query)


def delete(grant: Grant, remote: str) -> Prepared:
    """Return the request that deletes a file or an empty directory."""
    return request.with_token(grant, "DELETE", f"{_FILES}/{_quoted(remote)}")


def ls(grant: Grant, remote: str = "", *, recursive: bool = False) -> Prepared:
    """Return the request that lists what is below a path; an empty one is the root."""
    query = [("path", remote)] if remote else []
    query += [("recursive", "true")] if recursive else []
    return request.with_token(grant, "GET", _FILES, tuple(query))


def stat(grant: Grant, remote: str) -> Prepared:
    """Return the request that tells what is at a path."""
    return request.with_token(grant, "GET", f"{_CLIENT}/stat", (("path", remote),))


def search(grant: Grant, pattern: str, remote: str = "", limit: int | None = None) -> Prepared:
    """Return the request that finds what matches a pattern below a path."""
    query = [("pattern", pattern), ("path", remote)]
    query += [] if limit is None else [("limit", str(limit))]
    return request.with_token(grant, "GET", f"{_CLIENT}/search", tuple(query))


def mkdir(grant: Grant, remote: str) -> Prepared:
    """Return the request that makes a directory and those above it."""
    return request.with_json(grant, "POST", f"{_CLIENT}/directories", {"path": remote})


def move(grant: Grant, source: str, target: str) -> Prepared:
    """Return the request that gives a file or directory another path."""
    body = {"source": source, "target": target}
    return request.with_json(grant, "POST", f"{_CLIENT}/moves", body)


def copy(grant: Grant, source: str, target: str) -> Prepared:
    """Return the request that copies a file, or a directory with all in it."""
    body = {"source": source, "target": target}
    return request.with_json(grant, "POST", f"{_CLIENT}/copies", body)


def uploads(local: Path, remote: str | None) -> list[Copy]:
    """Return what to copy for a local file or directory. `remote` is the path it gets (None: its own name; "": the root).

    A path that ends in `/` is a directory that takes the file. Of a directory files are copied; `leftovers` tells what is not. Raises `FileUnusable`.
    """
    if not local.exists():
        raise FileUnusable(f"there is no file {local}")
    into = remote is None or remote.endswith("/") or (remote == "" and local.is_file())
    target = "/".join(
        filter(None, [(remote or "").strip("/"), local.resolve().name if into else ""])
    )
    if local.is_file():
        return [_upload(local, target)]
    if not local.is_dir():
        raise FileUnusable(f"{local} is neither a file nor a directory")
    return [
        _upload(path, "/".join(filter(None, [target, path.relative_to(local).as_posix()])))
        for path in below(local)
        if is_copied(path)
    ]


def below(local: Path) -> list[Path]:
    """Return all that is below a directory, through no link. Raises `FileUnusable`, also for one below that cannot be read."""
    found = []
    for directory, directories, names in os.walk(local, onerror=_unreadable):
        found += [Path(directory, name) for name in (*directories, *names)]
    return sorted(found)


def is_copied(path: Path) -> bool:
    """Tell whether a path below a directory is copied with it: a file, and no link to one."""
    return path.is_file() and not path.is_symlink()


def downloads(remote: str, local: Path, entries: list[dict[str, Any]]) -> list[Copy]:
    """Return what to copy for a remote path, given the recursive listing of it. A file is listed as itself.

    A local path that is a directory takes the file or directory under its name, as with `cp -r`; of a remote path that ends in `/`
    it takes the content. Raises `FileUnusable` for a name that would lead out of `local`.
    """
    if local.is_dir() and not remote.endswith("/"):
        local = local / remote.rsplit("/", 1)[-1]
    remote = remote.strip("/")
    if [entry["path"] for entry in entries] == [remote]:
        return [Copy(local, remote, int(entries[0]["size"]))]
    base = f"{remote}/" if remote else ""
    return [
        Copy(
            local / _inside(str(entry["path"]).removeprefix(base)),
            str(entry["path"]),
            int(entry["size"]),
        )
        for entry in entries
        if entry["kind"] == "file"
    ]


def check(remote: str, sent: str, stored: str) -> None:
    """Compare the checksum of what was sent with that of what is stored. Raises `ContentDiffers`."""
    if sent != stored:
        raise ContentDiffers(f"{remote} was stored with other content than was sent")


def digest(local: Path) -> str:
    """Return the SHA-256 of a local file, in hexadecimal. Raises `FileUnusable`."""
    with usable(local), local.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def crc32(local: Path) -> str:
    """Return the CRC-32 of a local file, in hexadecimal. Raises `FileUnusable`."""
    crc = 0
    with usable(local), local.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            crc = isal_zlib.crc32(block, crc)
    return f"{crc:08x}"


@contextlib.contextmanager
def usable(path: Path) -> Iterator[None]:
    """Raise `FileUnusable` for what the operating system says of a local path within the block."""
    try:
        yield
    except OSError as error:
        raise FileUnusable(f"cannot use {path}: {error.strerror}") from error


def _upload(local: Path, remote: str) -> Copy:
    try:
        remote.encode()
    except UnicodeEncodeError as error:
        raise FileUnusable(f"{remote!r} is no name in UTF-8") from error
    return Copy(local, remote)


def _unreadable(error: OSError) -> None:
    raise FileUnusable(f"cannot read {error.filename}: {error.strerror}") from error


def _inside(path: str) -> str:
    if path.startswith("/") or ".." in path.split("/"):
        raise FileUnusable(f"the folder has a file with a path that leads elsewhere: {path!r}")
    return path


def _quoted(remote: str) -> str:
    return quote(remote.strip("/"), safe="/")
