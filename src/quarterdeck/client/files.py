"""Requests for the files of a folder to the storage-proxy, and the walks over local and remote trees. No network here."""

import contextlib
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from quarterdeck.client import request
from quarterdeck.client.errors import ContentDiffers, FileUnusable
from quarterdeck.client.request import Grant, Prepared

BLOCK_BYTES = 1024 * 1024
_FILES = "/client/v1/files"


class Copy(NamedTuple):
    """One file to copy, between a local path and a path in the folder."""

    local: Path
    remote: str


def put(grant: Grant, remote: str, size: int) -> Prepared:
    """Return the request that writes a file; its body, of `size` bytes, is sent by the transport."""
    prepared = request.with_token(grant, "PUT", f"{_FILES}/{_quoted(remote)}")
    headers = {"Content-Type": "application/octet-stream", "Content-Length": str(size)}
    return prepared._replace(headers={**prepared.headers, **headers})


def get(grant: Grant, remote: str) -> Prepared:
    """Return the request that reads a file."""
    return request.with_token(grant, "GET", f"{_FILES}/{_quoted(remote)}")


def delete(grant: Grant, remote: str) -> Prepared:
    """Return the request that deletes a file or an empty directory."""
    return request.with_token(grant, "DELETE", f"{_FILES}/{_quoted(remote)}")


def ls(grant: Grant, remote: str = "", *, recursive: bool = False) -> Prepared:
    """Return the request that lists what is below a path; an empty one is the root."""
    query = [("path", remote)] if remote else []
    query += [("recursive", "true")] if recursive else []
    return request.with_token(grant, "GET", _FILES, tuple(query))


def uploads(local: Path, remote: str | None) -> list[Copy]:
    """Return what to copy for a local file or directory. `remote` is the path it gets (None: its own name; "": the root).

    A path that ends in `/` is a directory that takes the file. Raises `FileUnusable`.
    """
    if not local.exists():
        raise FileUnusable(f"there is no file {local}")
    into = remote is None or remote.endswith("/") or (remote == "" and local.is_file())
    target = "/".join(
        filter(None, [(remote or "").strip("/"), local.resolve().name if into else ""])
    )
    if local.is_file():
        return [Copy(local, target)]
    files = sorted(path for path in local.rglob("*") if path.is_file() and not path.is_symlink())
    return [
        Copy(path, "/".join(filter(None, [target, path.relative_to(local).as_posix()])))
        for path in files
    ]


def downloads(remote: str, local: Path, entries: list[dict[str, Any]]) -> list[Copy]:
    """Return what to copy for a remote path, given the recursive listing of it. A file is listed as itself.

    A local path that is a directory takes the file or directory under its name, as with `cp -r`; of a remote path that ends in `/`
    it takes the content. Raises `FileUnusable` for a name that would lead out of `local`.
    """
    if local.is_dir() and not remote.endswith("/"):
        local = local / remote.rsplit("/", 1)[-1]
    remote = remote.strip("/")
    if [entry["path"] for entry in entries] == [remote]:
        return [Copy(local, remote)]
    base = f"{remote}/" if remote else ""
    return [
        Copy(local / _inside(str(entry["path"]).removeprefix(base)), str(entry["path"]))
        for entry in entries
        if entry["kind"] == "file"
    ]


class Source:
    """A local file that is being sent; `size` in bytes and `sha256` of what was given so far."""

    def __init__(self, local: Path) -> None:
        """Open the file. Raises `FileUnusable`."""
        self._local = local
        self._digest = hashlib.sha256()
        with _usable(local):
            self._file = local.open("rb")
            self.size = os.fstat(self._file.fileno()).st_size

    @property
    def sha256(self) -> str:
        """The checksum in hexadecimal."""
        return self._digest.hexdigest()

    def read(self) -> bytes:
        """Return the next block; nothing at the end. Raises `FileUnusable`."""
        with _usable(self._local):
            block = self._file.read(BLOCK_BYTES)
        self._digest.update(block)
        return block

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class Sink:
    """A local file that is being written; it appears under its name when `finish` is called, and not before."""

    def __init__(self, local: Path) -> None:
        """Begin. Raises `FileUnusable`."""
        self._local = local
        self._partial = local.with_name(f".{local.name}.part")
        with _usable(local):
            local.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._partial.open("wb")
        self.size = 0

    def write(self, block: bytes) -> None:
        """Append. Raises `FileUnusable`."""
        with _usable(self._local):
            self.size += self._file.write(block)

    def finish(self) -> None:
        """Give the file its name. Raises `FileUnusable`."""
        with _usable(self._local):
            self._file.close()
            self._partial.replace(self._local)

    def discard(self) -> None:
        """Leave nothing behind, unless it is finished."""
        self._file.close()
        self._partial.unlink(missing_ok=True)


def check(remote: str, sent: str, stored: str) -> None:
    """Compare the SHA-256 of what was sent with what is stored. Raises `ContentDiffers`."""
    if sent != stored:
        raise ContentDiffers(f"{remote} was stored with other content than was sent")


@contextlib.contextmanager
def _usable(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise FileUnusable(f"cannot use {path}: {error.strerror}") from error


def _inside(path: str) -> str:
    if path.startswith("/") or ".." in path.split("/"):
        raise FileUnusable(f"the folder has a file with a path that leads elsewhere: {path!r}")
    return path


def _quoted(remote: str) -> str:
    return quote(remote.strip("/"), safe="/")
