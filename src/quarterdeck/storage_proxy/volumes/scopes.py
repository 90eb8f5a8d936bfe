"""What a volume of directories keeps of a quota scope: its limits, its trees, what they hold, and what is on its way in. For `quotas`.

    <root>/scopes/<scope>/limits      JSON; absent: nothing is limited, nothing counted
    <root>/scopes/<scope>/ledger      what the trees hold, by the last count and the changes since; whoever changes it holds its lock
    <root>/scopes/<scope>/trees/      an empty file for each tree
    <root>/scopes/<scope>/pending/    a file for each write under way, locked by who writes: unlocked, its writer is dead and it counts no more

The ledger is rewritten in place, at one length, so that a full disk does not keep anybody from giving room back.
"""

import contextlib
import fcntl
import os
import secrets
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from quarterdeck.storage_proxy import errors
from quarterdeck.storage_proxy.volumes import walk
from quarterdeck.storage_proxy.volumes.places import Places
from quarterdeck.wire import decode
from quarterdeck.wire.trees import QuotaLimits

_SCOPES = "scopes"
_LIMITS = "limits"
_LEDGER = "ledger"
_TREES = "trees"
_PENDING = "pending"
_RECORD = struct.Struct("<?7xqqdd")
_AMOUNT = struct.Struct("<qq")
_OPEN = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True)
class Amount:
    """Bytes of files, and inodes: files and directories."""

    bytes: int = 0
    inodes: int = 0

    def __add__(self, other: "Amount") -> "Amount":
        return Amount(self.bytes + other.bytes, self.inodes + other.inodes)

    def __sub__(self, other: "Amount") -> "Amount":
        return Amount(self.bytes - other.bytes, self.inodes - other.inodes)


@dataclass(frozen=True)
class Count:
    """What the trees held when they were counted, changed by what was written since; the count took some seconds."""

    held: Amount
    at: float
    seconds: float


class Pending:
    """What one write has reserved. It ends with its process, however that ends."""

    def __init__(self, scope: int) -> None:
        """Begin with nothing. The scope's lock is held meanwhile, so that nobody takes it for a dead one's."""
        self.name = secrets.token_hex(12)
        with walk.directory(scope, (_PENDING,), make=True) as directory:
            self._directory = os.dup(directory)
        try:
            self._file = os.open(self.name, _OPEN | os.O_EXCL, 0o600, dir_fd=self._directory)
        except OSError:
            os.close(self._directory)
            raise
        fcntl.flock(self._file, fcntl.LOCK_EX)

    def set(self, amount: Amount) -> None:
        """Say what is reserved from now on."""
        os.pwrite(self._file, _AMOUNT.pack(amount.bytes, amount.inodes), 0)

    def close(self) -> None:
        """Reserve nothing any more."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.name, dir_fd=self._directory)
        os.close(self._file)
        os.close(self._directory)


class Scope:
    """An open scope whose lock is held."""

    def __init__(self, name: str, directory: int, ledger: int) -> None:
        self.name = name
        self.directory = directory
        self._ledger = ledger

    def count(self) -> Count | None:
        """Return what the trees hold; None if that is not known."""
        record = os.pread(self._ledger, _RECORD.size, 0)
        if len(record) < _RECORD.size:
            return None
        known, size, inodes, at, seconds = _RECORD.unpack(record)
        return Count(Amount(size, inodes), at, seconds) if known else None

    def write(self, count: Count | None) -> None:
        """Say what the trees hold; None: that is not known any more."""
        known = count or Count(Amount(), 0, 0)
        held = known.held
        record = (count is not None, held.bytes, held.inodes, known.at, known.seconds)
        os.pwrite(self._ledger, _RECORD.pack(*record), 0)

    def pending(self, but: str = "") -> Amount:
        """Add up what is on its way in, but for one write. What the dead left is removed."""
        try:
            with walk.directory(self.directory, (_PENDING,)) as directory:
                found = [name for name in walk.names(directory) if name != but]
                return sum((_of_another(directory, name) for name in found), Amount())
        except errors.FileNotFound:
            return Amount()

    def trees(self) -> list[str]:
        """Return the trees of this scope, perhaps some that are gone or another's by now."""
        with contextlib.suppress(errors.FileNotFound):
            with walk.directory(self.directory, (_TREES,)) as directory:
                return walk.names(directory)
        return []

    def add(self, tree: str) -> None:
        """Let a tree belong to this scope."""
        with walk.directory(self.directory, (_TREES,), make=True) as directory:
            os.close(os.open(tree, _OPEN, 0o600, dir_fd=directory))
            os.fsync(directory)

    def drop(self, tree: str) -> None:
        """Forget a tree."""
        with contextlib.suppress(FileNotFoundError, errors.FileNotFound):
            with walk.directory(self.directory, (_TREES,)) as directory:
                os.unlink(tree, dir_fd=directory)

    def limit(self, limits: QuotaLimits) -> None:
        """Set the limits; what the trees hold is counted anew."""
        self.write(None)
        name = f"{_LIMITS}-{secrets.token_hex(6)}"
        file = os.open(name, _OPEN | os.O_EXCL, 0o600, dir_fd=self.directory)
        try:
            os.write(file, decode.encode(limits))
            os.fsync(file)
        finally:
            os.close(file)
        os.rename(name, _LIMITS, src_dir_fd=self.directory, dst_dir_fd=self.directory)
        os.fsync(self.directory)


@contextlib.contextmanager
def opened(where: Places, scope: str, *, make: bool = False) -> Iterator[Scope]:
    """Hold the lock of a scope for the time of a block. Raises `FileNotFound` unless it is there or to be made."""
    with where.at(_SCOPES, scope, make=make) as directory:
        ledger = os.open(_LEDGER, _OPEN, 0o600, dir_fd=directory)
        try:
            fcntl.flock(ledger, fcntl.LOCK_EX)
            yield Scope(scope, directory, ledger)
        finally:
            os.close(ledger)


def limits(where: Places, scope: str) -> QuotaLimits | None:
    """Return the limits of a scope, None if none were ever set."""
    found = where.read(_SCOPES, scope, _LIMITS)
    return None if found is None else decode.decode(QuotaLimits, found)


def _of_another(directory: int, name: str) -> Amount:
    try:
        file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
    except FileNotFoundError:
        return Amount()
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        amount = os.pread(file, _AMOUNT.size, 0)
        return Amount(*_AMOUNT.unpack(amount)) if amount else Amount()
    else:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name, dir_fd=directory)
        return Amount()
    finally:
        os.close(file)
