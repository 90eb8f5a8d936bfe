"""`qd cp`, `qd folder upload` and `download`: files between here and folders, with progress, checksums, and going on where one has ended."""

import argparse
import threading
from collections.abc import Callable
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import Any

from quarterdeck.base.clock import Clock, SystemClock
from quarterdeck.cli import addresses
from quarterdeck.cli import console as console_module
from quarterdeck.cli.addresses import Remote
from quarterdeck.cli.console import Console
from quarterdeck.cli.progress import Bar
from quarterdeck.client import api_folders as api
from quarterdeck.client import files, leftovers, procedures, request
from quarterdeck.client.errors import FileUnusable, Refused
from quarterdeck.client.leftovers import LeftOut
from quarterdeck.client.request import Grant
from quarterdeck.client.transport import Transport

_LEFT_OUT_TOLD_MAX = 20


def upload(given: argparse.Namespace, transport: Transport, console: Console) -> int:
    """Copy into a folder, file by file."""
    copying = _Copying(given, transport, console)
    return copying.send(given.folder, copying.placed(addresses.local(given.local), given.remote))


def download(given: argparse.Namespace, transport: Transport, console: Console) -> int:
    """Copy out of a folder, file by file."""
    copying = _Copying(given, transport, console)
    found = copying.found(Remote(given.folder, given.remote), Path(given.local))
    return copying.fetch(given.folder, found)


def cp(given: argparse.Namespace, transport: Transport, console: Console) -> int:
    """Copy between here and a folder, in the direction that the addresses tell."""
    copying = _Copying(given, transport, console)
    sources = [addresses.read(text) for text in given.sources]
    target = addresses.read(given.target)
    here = [source for source in sources if isinstance(source, str)]
    there = [source for source in sources if isinstance(source, Remote)]
    if isinstance(target, Remote) and not there:
        return copying.send(target.folder, copying.into(here, target))
    if isinstance(target, str) and not here and len({each.folder for each in there}) == 1:
        local = Path(target)
        if (len(there) > 1 or addresses.is_pattern(there[0].path)) and not local.is_dir():
            raise FileUnusable(f"several files go into a directory, which {target} is not")
        copies = [copy for source in there for copy in copying.found(source, local)]
        return copying.fetch(there[0].folder, copies)
    raise FileUnusable("one side is here and the other in one folder: FOLDER:PATH")


Work = Callable[[Transport, files.Copy, files.Report], dict[str, Any]]
"""Copies one file, and tells of it."""


class _Copying:
    """One command's copies."""

    def __init__(self, given: argparse.Namespace, transport: Transport, console: Console) -> None:
        self._given = given
        self._transport = transport
        self._console = console
        self._clock: Clock = SystemClock()
        self._id: str | None = None
        self._granted: tuple[Grant, float] | None = None
        self._lock = threading.Lock()
        self._left_out: list[LeftOut] = []

    def placed(self, paths: list[Path], remote: str | None) -> list[files.Copy]:
        """Return the copies of paths here to one in a folder, as `files.uploads` does."""
        self._left_out += [each for path in paths for each in leftovers.here(path)]
        return [copy for path in paths for copy in files.uploads(path, remote)]

    def into(self, here: list[str], target: Remote) -> list[files.Copy]:
        """Return the copies of paths here to one in a folder: a directory there, or where several go, takes them."""
        paths = [path for text in here for path in addresses.local(text)]
        if not self._given.recursive and (wrong := [path for path in paths if path.is_dir()]):
            raise FileUnusable(f"{wrong[0]} is a directory: -r copies those")
        remote = target.path
        if remote and (len(paths) > 1 or self._is_directory(target)):
            remote = remote.rstrip("/") + "/"
        return self.placed(paths, remote or None)

    def found(self, source: Remote, local: Path) -> list[files.Copy]:
        """Return the copies of what an address in a folder stands for."""
        pattern = addresses.is_pattern(source.path)
        base = addresses.fixed(source.path) if pattern else source.path.strip("/")
        entries = self._entries(source.folder, base)
        if not pattern:
            self._require_recursive(source.path, entries)
            self._left_out += leftovers.there(entries)
            return files.downloads(source.path, local, entries)
        copies = []
        for path in addresses.matching(source.path, entries):
            below = [each for each in entries if f"{each['path']}/".startswith(f"{path}/")]
            if self._given.recursive or below[0]["kind"] == "file":
                self._left_out += leftovers.there(below)
                copies += files.downloads(path, local, below)
            else:
                self._left_out.append(LeftOut(path, "not a file; -r copies directories"))
        return copies

    def send(self, folder: str, copies: list[files.Copy]) -> int:
        """Copy into a folder."""

        def send(transport: Transport, copy: files.Copy, report: files.Report) -> dict[str, Any]:
            grant = self._grant(folder, "write")
            entry: dict[str, Any] = transport.upload(grant, copy, report)
            return entry

        apart = _apart(copies, attrgetter("local"), attrgetter("remote"))
        sized = [copy._replace(size=_size(copy.local)) for copy in apart]
        return self._run(sized, send, "path")

    def fetch(self, folder: str, copies: list[files.Copy]) -> int:
        """Copy out of a folder."""

        def fetch(transport: Transport, copy: files.Copy, report: files.Report) -> dict[str, Any]:
            grant = self._grant(folder, "read")
            size = transport.download(grant, copy, report)
            if self._given.checksum:
                transport.check(grant, copy)
            return {"path": copy.remote, "local": str(copy.local), "size": size}

        apart = _apart(copies, attrgetter("remote"), attrgetter("local"))
        return self._run(apart, fetch, "local")

    def _run(self, copies: list[files.Copy], work: Work, name: str) -> int:
        from quarterdeck.cli.hands import Hands  # here: only what copies may wait for its threads

        self._tell_left_out()
        done: list[dict[str, Any]] = []
        bar = Bar(self._console, self._clock, copies)
        crew = Hands(self._transport, copies, lambda mine, copy: self._one(mine, copy, work, bar))
        try:
            for entry in crew.results(bar.show):
                done.append(entry)
                self._console.progress("")
                if not self._console.as_json:
                    size = console_module.bytes_in_words(done[-1]["size"])
                    self._console.say(f"{done[-1][name]}  {size}")
        except KeyboardInterrupt:
            self._console.note("interrupted; the same command goes on from here")
            raise
        if self._console.as_json:
            left_out = [{"path": path, "left_out": what} for path, what in self._left_out]
            self._console.json([*done, *left_out])
        return 0

    def _tell_left_out(self) -> None:
        if self._console.as_json:
            return
        for path, what in self._left_out[:_LEFT_OUT_TOLD_MAX]:
            self._console.complain(f"left out: {path}, {what}")
        if (more := len(self._left_out) - _LEFT_OUT_TOLD_MAX) > 0:
            self._console.complain(f"left out: {more} more; --json names all")

    def _one(self, transport: Transport, copy: files.Copy, work: Work, bar: Bar) -> dict[str, Any]:
        """Copy one file, as long as it takes: what is there stays there when a token ends."""
        while True:
            try:
                return work(transport, copy, partial(bar.report, copy))
            except Refused as refused:
                if refused.code != "token-expired" or not self._is_old():
                    raise

    def _grant(self, folder: str, right: str) -> Grant:
        with self._lock:
            if self._granted is None or self._is_old():
                grant = request.granted(
                    self._transport.call(api.grant(self._found(folder), right))
                )
                self._granted = grant, self._clock.monotonic()
            return self._granted[0]

    def _found(self, folder: str) -> str:
        """Return the id of the command's folder, looked up once: meanwhile its name may become another one's."""
        if self._id is None:
            self._id = str(self._transport.run(procedures.find_folder(folder))["id"])
        return self._id

    def _is_old(self) -> bool:
        if self._granted is None:
            return False
        grant, since = self._granted
        return self._clock.monotonic() - since > grant.renewed_seconds

    def _entries(self, folder: str, path: str) -> list[dict[str, Any]]:
        grant = self._grant(folder, "read")
        listed = self._transport.send(files.ls(grant, path, recursive=True))
        items: list[dict[str, Any]] = request.answer("GET", listed)["items"]
        return items

    def _is_directory(self, target: Remote) -> bool:
        path = target.path.strip("/")
        try:
            listed = self._transport.send(files.ls(self._grant(target.folder, "write"), path))
        except Refused as refused:
            if refused.code != "file-not-found":
                raise
            return False
        return [each["path"] for each in request.answer("GET", listed)["items"]] != [path]

    def _require_recursive(self, path: str, entries: list[dict[str, Any]]) -> None:
        if self._given.recursive:
            return
        if [each["path"] for each in entries] != [path.strip("/")]:
            raise FileUnusable(f"{path or 'all of it'} is a directory: -r copies those")


def _apart(
    copies: list[files.Copy],
    source: Callable[[files.Copy], object],
    target: Callable[[files.Copy], object],
) -> list[files.Copy]:
    """Return the copies, each once. Raises `FileUnusable` where one would replace another."""
    found: dict[object, files.Copy] = {}
    for copy in copies:
        other = found.setdefault(target(copy), copy)
        if source(other) != source(copy):
            raise FileUnusable(
                f"{source(other)} and {source(copy)} would both become {target(copy)}"
            )
    return list(found.values())


def _size(local: Path) -> int:
    with files.usable(local):
        return local.stat().st_size
