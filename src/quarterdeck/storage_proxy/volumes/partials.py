"""Uploads in pieces on the disk of this machine, by calls that block. What `uploads` runs in threads.

    <tree>/uploads/<upload>.upload   twenty digits, how many bytes are kept, and what the upload said when it began, in JSON
    <tree>/uploads/<upload>.data     the bytes; what is behind the kept ones does not count and is cut off

The record is locked by who writes: the kernel takes the lock from a process that dies, and from nobody else, so that no writer wakes up
after its time. A record without data tells that the file is at its path; it stays for a while for clients that did not hear so.
"""

import contextlib
import fcntl
import os
import threading
from collections.abc import Iterator, Sequence

import msgspec

from quarterdeck.storage_proxy import errors
from quarterdeck.storage_proxy.model import Upload
from quarterdeck.storage_proxy.ports import Block
from quarterdeck.storage_proxy.volumes import counting, walk

RECEIPT_SECONDS = 600
"""How long a finished upload is known."""

_RECORD, _DATA = ".upload", counting.DATA
_DIGITS = 20
_NEW = os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC
_OPEN = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC
_COPY_BYTES = 1 << 30
_ORPHAN_SECONDS = 3600


class Partial:
    """One upload, locked. Its methods may be called from any thread; close it when done, only then somebody else can write."""

    is_counted = True

    def __init__(self, directory: int, upload: str) -> None:
        """Lock the upload in an open directory. Raises `UploadNotFound`, `UploadBusy`."""
        self._lock = threading.Lock()
        self._closed = False
        with contextlib.ExitStack() as stack:
            self._directory = os.dup(directory)
            stack.callback(os.close, self._directory)
            self._record = _opened(directory, upload + _RECORD)
            stack.callback(os.close, self._record)
            _lock(self._record)
            self.upload, kept = _read(self._record)
            self._data: int | None = None
            with contextlib.suppress(FileNotFoundError):
                self._data = os.open(upload + _DATA, _OPEN, dir_fd=directory)
                stack.callback(os.close, self._data)
            self.finished = self._data is None
            size = self.upload.size if self._data is None else os.fstat(self._data).st_size
            self.has_lost = False
            if self._data is not None and size > kept:
                os.ftruncate(self._data, kept)
                self.has_lost = True
            self.offset = self._written = size if self.finished else min(size, kept)
            self._files = stack.pop_all()

    def close(self) -> None:
        """Let go of the upload. What was not kept does not count."""
        with self._lock:
            self._closed = True
            self._files.close()

    @property
    def mark(self) -> str:
        """A mark of what is kept, that changes when somebody writes."""
        with self.opened() as data:
            return f"{os.fstat(data).st_mtime_ns}-{self.offset}"

    def write(self, block: Block) -> None:
        """Append, without keeping it."""
        with self.opened() as data:
            rest = memoryview(block)
            while rest:
                count = os.pwrite(data, rest, self._written)
                self._written += count
                rest = rest[count:]

    def keep(self) -> None:
        """Make what was written durable, then count it."""
        with self.opened() as data:
            os.fdatasync(data)
            os.pwrite(self._record, _counted(self._written), 0)
            os.fdatasync(self._record)
            self.offset = self._written

    def drop(self) -> None:
        """Cut off what is not kept."""
        with self.opened() as data:
            os.ftruncate(data, self.offset)
            self._written = self.offset

    def join(self, parts: Sequence["Partial"]) -> None:
        """Append the kept bytes of others; the kernel copies them, or shares them where the file system can."""
        with self.opened() as data:
            os.lseek(data, self._written, os.SEEK_SET)
            for part in parts:
                with part.opened() as other:
                    self._written += _copy(other, data, part.offset)

    def read(self, length: int, offset: int) -> bytes:
        """Read what was written."""
        with self.opened() as data:
            return os.pread(data, length, offset)

    def publish(self, parent: int, name: str) -> os.stat_result:
        """Make the content durable, then visible as `name` in `parent`; what was there is replaced."""
        with self.opened() as data:
            os.fsync(data)
            old = self.upload.id + _DATA
            os.rename(old, name, src_dir_fd=self._directory, dst_dir_fd=parent)
            self.finished = True
            self.offset = self.upload.size
            os.fsync(parent)
            os.fsync(self._directory)
            return os.fstat(data)

    def discard(self) -> None:
        """Remove the upload, its record first: a record without data would be a finished upload."""
        with self._lock:
            for name in (self.upload.id + _RECORD, self.upload.id + _DATA):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(name, dir_fd=self._directory)
            os.fsync(self._directory)

    @contextlib.contextmanager
    def opened(self) -> Iterator[int]:
        """Give the descriptor of the data, to one thread at a time. Raises `UploadNotFound` when there is nothing to write any more."""
        with self._lock:
            if self._closed or self._data is None or self.finished:
                raise errors.UploadNotFound
            yield self._data


def begin(directory: int, upload: Upload, uploads_max: int) -> None:
    """Make an upload, empty and durable, in an open directory. Raises `TooManyUploads`."""
    if len(records(directory)) >= uploads_max:
        raise errors.TooManyUploads(f"at most {uploads_max} uploads of a folder are under way")
    hidden = f".{upload.id}"
    try:
        os.close(os.open(upload.id + _DATA, _NEW, 0o644, dir_fd=directory))
        record = os.open(hidden, _NEW, 0o600, dir_fd=directory)
        with contextlib.ExitStack() as stack:
            stack.callback(os.close, record)
            os.write(record, _counted(0) + msgspec.json.encode(upload))
            os.fsync(record)
        os.rename(hidden, upload.id + _RECORD, src_dir_fd=directory, dst_dir_fd=directory)
        os.fsync(directory)
    except OSError:
        for name in (hidden, upload.id + _RECORD, upload.id + _DATA):
            with contextlib.suppress(OSError):
                os.unlink(name, dir_fd=directory)
        raise


def look(directory: int, upload: str) -> tuple[Upload, int]:
    """Return an upload and how many bytes are kept, without a lock. Raises `UploadNotFound`."""
    record = _opened(directory, upload + _RECORD)
    try:
        found, kept = _read(record)
        finished = walk.look(directory, upload + _DATA) is None
        if finished and os.fstat(record).st_nlink == 0:
            raise errors.UploadNotFound
    finally:
        os.close(record)
    return found, found.size if finished else kept


def records(directory: int) -> list[str]:
    """Return the ids of the uploads under way: those with data, in order of age."""
    names = set(walk.names(directory))
    ids = (name.removesuffix(_RECORD) for name in names if name.endswith(_RECORD))
    return sorted(each for each in ids if each + _DATA in names)


def sweep(directory: int, now: float) -> bool:
    """Remove uploads that have expired, receipts and what a crash has left; what is being written stays. Tell whether any went.

    `now` is in seconds since 1970.
    """
    before = walk.names(directory)
    for name in before:
        with contextlib.suppress(FileNotFoundError, errors.UploadNotFound, errors.UploadBusy):
            changed = os.stat(name, dir_fd=directory, follow_symlinks=False).st_mtime
            if name.endswith(_RECORD):
                _end(directory, name.removesuffix(_RECORD), now, now - changed)
            elif now - changed > _ORPHAN_SECONDS and not _has_record(directory, name):
                os.unlink(name, dir_fd=directory)
    return len(walk.names(directory)) < len(before)


def _end(directory: int, upload: str, now: float, age: float) -> None:
    """Remove an upload that is over. Nobody is kept from writing one that is not."""
    known, _ = look(directory, upload)
    finished = walk.look(directory, upload + _DATA) is None
    if now >= known.expires_at or (finished and age > RECEIPT_SECONDS):
        with contextlib.closing(Partial(directory, upload)) as partial:
            partial.discard()


def _copy(source: int, target: int, length: int) -> int:
    """Append the first bytes of a file to another, from where that one stands, and return how many."""
    done = 0
    while done < length:
        count = os.copy_file_range(source, target, min(_COPY_BYTES, length - done), done)
        if count == 0:
            raise errors.StorageUnavailable("a part has lost bytes")
        done += count
    return done


def _has_record(directory: int, name: str) -> bool:
    return walk.look(directory, name.removesuffix(_DATA) + _RECORD) is not None


def _opened(directory: int, name: str) -> int:
    try:
        return os.open(name, _OPEN, dir_fd=directory)
    except FileNotFoundError:
        raise errors.UploadNotFound from None


def _lock(record: int) -> None:
    try:
        fcntl.flock(record, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise errors.UploadBusy from None
    if os.fstat(record).st_nlink == 0:
        raise errors.UploadNotFound


def _read(record: int) -> tuple[Upload, int]:
    text = os.pread(record, 1 << 16, 0)
    return msgspec.json.decode(text[_DIGITS:], type=Upload), int(text[:_DIGITS])


def _counted(count: int) -> bytes:
    return b"%0*d" % (_DIGITS, count)
