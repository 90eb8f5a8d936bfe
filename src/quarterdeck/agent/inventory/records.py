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

_log = logging.getLogger(__name__)


class Records:
    """The port `Records` in a directory that belongs to this agent."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._sizes: dict[str, int] = {}
        """Of the records that were written in this life."""
        self._spares: list[Path] = []

    def save(self, record: Record) -> None:
        """Write a record in place of an earlier one: all of it or nothing. Raises OSError.

        It is written over the one that is there if both are within a page: such a call the end of this process does not cut. A shorter one is filled up.
        """
        size = self._sizes.pop(record.id, _PAGE_BYTES + 1)
        data = decode.encode(record)
        data = data.ljust(size) if size <= _PAGE_BYTES else data
        try:
            small = max(size, len(data)) <= _PAGE_BYTES
            if not (small and _overwrite(self._path(record.id), data)):
                self._write_anew(record.id, data)
        except FileNotFoundError:  # somebody has removed the directory under us
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._write_anew(record.id, data)
        self._sizes[record.id] = len(data)

    def drop(self, id_: str) -> None:
        """Remove a record and its journal; nothing happens if they are not there. Raises OSError."""
        path = self._path(id_)
        if self._sizes.pop(id_, None) is not None and len(self._spares) < _SPARES_MAX:
            spare = path.with_suffix(_SPARE)
            with contextlib.suppress(FileNotFoundError):
                path.rename(spare)
                os.truncate(spare, 0)
                self._spares.append(spare)
        else:
            path.unlink(missing_ok=True)
        self._journal(id_).unlink(missing_ok=True)

    def _write_anew(self, id_: str, data: bytes) -> None:
        """Write a record that is not there; under its name it appears whole."""
        path = self._path(id_)
        new = self._spares.pop() if self._spares else path.with_suffix(_NEW)
        new.write_bytes(data)
        new.replace(path)

    def journal(self, id_: str) -> Journal:
        """Return the place for what a kernel writes; `drop` removes it too. Raises OSError."""
        return Journal(self._journal(id_))

    def written(self, id_: str) -> bytes:
        """Return the newest part of what a kernel has written, if that was written down. Raises OSError."""
        return journal.read(self._journal(id_))

    def note_destroyed(self, id_: str) -> None:
        """Remember that an id was destroyed. Raises OSError."""
        with (self._directory / _DESTROYED).open("ab") as file:
            file.write(f"{id_}\n".encode())

    def load(self) -> Remembered:
        """Return what can be read, and what cannot, which is removed. Raises nothing: what is not there is nothing."""
        damage: list[str] = []
        records = [record for path in self._files(damage) if (record := _read(path, damage))]
        self._tidy({record.id for record in records})
        return Remembered(tuple(records), self._destroyed(damage), tuple(damage))

    def _tidy(self, kept: Collection[str]) -> None:
        """Remove what was written by kernels that are not remembered, and files of an earlier life that are not in use."""
        with contextlib.suppress(OSError):
            for path in self._directory.iterdir():
                left = path.suffix == _JOURNAL and path.stem not in kept
                if left or path.suffix in {_NEW, _SPARE}:
                    path.unlink(missing_ok=True)

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


def _overwrite(path: Path, data: bytes) -> bool:
    """Write over a file that is not longer; False: it is not there. Raises OSError."""
    try:
        file = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        if os.pwrite(file, data, 0) != len(data):
            raise OSError(errno.ENOSPC, "It does not fit", str(path))
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
