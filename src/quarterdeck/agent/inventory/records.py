"""What an agent has to know of its kernels in its next life: a small file each, and the ids that were destroyed. On the local disk.

Nothing is flushed: it is read after the death of the process, not of the machine, which no kernel outlives. The calls block, for some
microseconds: files are used again, because to make one costs some file systems a millisecond (see `kernels.prepared`).
"""

import contextlib
import errno
import logging
import os
from collections.abc import Collection, Sequence
from pathlib import Path

from quarterdeck.agent.kernels import journal
from quarterdeck.agent.kernels.journal import Journal
from quarterdeck.agent.remembered import Record, Remembered
from quarterdeck.wire import decode
from quarterdeck.wire.errors import Invalid

_SUFFIX, _JOURNAL, _NEW, _SPARE = ".json", ".log", ".new", ".spare"
_SPARES_MAX = 16
_PAGE_BYTES = 4096
_DESTROYED = "destroyed"
_ID_BYTES = 36
_IDS_MAX = 65536
_SHOWN_BYTES_MAX = 200
_APPEND = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC

_log = logging.getLogger(__name__)


class Records:
    """The port `Records` in a directory that belongs to this agent."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._place = str(directory)
        self._sizes: dict[str, int] = {}
        """Of the records that were written in this life."""
        self._journals: set[str] = set()
        """Of kernels whose journal was opened, or may be left of an earlier life."""
        self._spares: list[tuple[str, int]] = []
        """Files that may be written over, and their sizes."""

    def save(self, record: Record) -> None:
        """Write a record in place of an earlier one: all of it or nothing. Raises OSError.

        It is written over the one that is there if both are within a page: such a call the end of this process does not cut. A shorter one is filled up.
        """
        size = self._sizes.pop(record.id, _PAGE_BYTES + 1)
        data = decode.encode(record)
        data = data.ljust(size) if size <= _PAGE_BYTES else data
        try:
            small = max(size, len(data)) <= _PAGE_BYTES
            if small and _overwrite(self._name(record.id), data):
                self._sizes[record.id] = len(data)
            else:
                self._sizes[record.id] = self._write_anew(record.id, data)
        except FileNotFoundError:  # somebody has removed the directory under us
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._sizes[record.id] = self._write_anew(record.id, data)

    def drop(self, id_: str) -> None:
        """Remove a record and its journal; nothing happens if they are not there. Raises OSError."""
        size = self._sizes.pop(id_, None)
        if size is not None and size <= _PAGE_BYTES and len(self._spares) < _SPARES_MAX:
            spare = self._name(id_, _SPARE)
            with contextlib.suppress(FileNotFoundError):
                os.rename(self._name(id_), spare)  # noqa: PTH104 - quick
                self._spares.append((spare, size))
        else:
            self._path(id_).unlink(missing_ok=True)
        if size is None or id_ in self._journals:
            self._journal(id_).unlink(missing_ok=True)
            self._journals.discard(id_)

    def _write_anew(self, id_: str, data: bytes) -> int:
        """Write a record that is not there, and return its size; under its name it appears whole."""
        new, size = self._spares.pop() if self._spares else (self._name(id_, _NEW), 0)
        data = data.ljust(size)
        if not (size and _overwrite(new, data)):
            Path(new).write_bytes(data)
        os.rename(new, self._name(id_))  # noqa: PTH104 - quick
        return len(data)

    def journal(self, id_: str) -> Journal:
        """Return the place for what a kernel writes; `drop` removes it too. Raises OSError."""
        self._journals.add(id_)
        return Journal(self._journal(id_))

    def written(self, id_: str) -> bytes:
        """Return the newest part of what a kernel has written, if that was written down. Raises OSError."""
        return journal.read(self._journal(id_))

    def note_destroyed(self, id_: str) -> None:
        """Remember that an id was destroyed. Raises OSError."""
        file = os.open(f"{self._place}/{_DESTROYED}", _APPEND, 0o600)
        try:
            os.write(file, f"{id_}\n".encode())
        finally:
            os.close(file)

    def load(self) -> Remembered:
        """Return what can be read, and what cannot, which is removed. Raises nothing: what is not there is nothing."""
        damage: list[str] = []
        records = [record for path in self._files(damage) if (record := _read(path, damage))]
        self._journals = {record.id for record in records}
        self._tidy(self._journals)
        return Remembered(tuple(records), self._destroyed(damage), tuple(damage))

    def _tidy(self, kept: Collection[str]) -> None:
        """Remove what was written by kernels that are not remembered, and files of an earlier life that are not in use."""
        with contextlib.suppress(OSError):
            for path in self._directory.iterdir():
                left = path.suffix == _JOURNAL and path.stem not in kept
                if left or path.suffix in {_NEW, _SPARE}:
                    path.unlink(missing_ok=True)

    def _name(self, id_: str, suffix: str = _SUFFIX) -> str:
        return f"{self._place}/{id_}{suffix}"

    def _journal(self, id_: str) -> Path:
        return self._directory / f"{id_}{_JOURNAL}"

    def _path(self, id_: str) -> Path:
        return self._directory / f"{id_}{_SUFFIX}"

    def _files(self, damage: list[str]) -> Sequence[Path]:
        try:
            return sorted(path for path in self._directory.iterdir() if path.suffix == _SUFFIX)
        except OSError as error:
            damage.append(f"the inventory cannot be read: {error}")
            return ()

    def _destroyed(self, damage: list[str]) -> tuple[str, ...]:
        """Return the ids that were destroyed, the oldest first; shorten the file when it has become long."""
        path = self._directory / _DESTROYED
        try:
            lines = path.read_bytes().decode("ascii", "replace").splitlines()
            found = [line for line in lines if len(line) == _ID_BYTES]
            if len(found) < len(lines):
                damage.append("some of the destroyed kernels cannot be read")
            if len(lines) > 2 * _IDS_MAX or len(found) < len(lines):
                new = path.with_suffix(_NEW)
                new.write_text("".join(f"{id_}\n" for id_ in found[-_IDS_MAX:]))
                new.replace(path)
        except FileNotFoundError:
            return ()
        except OSError as error:
            damage.append(f"the destroyed kernels cannot be read: {error}")
            return ()
        return tuple(found[-_IDS_MAX:])


def _overwrite(path: str, data: bytes) -> bool:
    """Write over a file that is not longer; False: it is not there. Raises OSError."""
    try:
        file = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        if os.pwrite(file, data, 0) != len(data):
            raise OSError(errno.ENOSPC, "It does not fit", path)
    finally:
        os.close(file)
    return True


def _read(path: Path, damage: list[str]) -> Record | None:
    """Read a record; one that makes no sense is removed."""
    data = b""
    try:
        data = path.read_bytes()
        record = decode.decode(Record, data)
        if f"{record.id}{_SUFFIX}" == path.name:
            return record
        reason = "it is of another kernel"
    except (OSError, Invalid) as error:
        reason = str(error)
    damage.append(f"the record {path.name} cannot be read")
    shown = data[:_SHOWN_BYTES_MAX].decode("ascii", "replace")
    _log.error("record-damaged", extra={"record": path.name, "error": reason, "begins": shown})
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)
    return None
