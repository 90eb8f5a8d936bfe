"""Faults of a member's disk: full, read-only. For clusters that were booted with disks (`@pytest.mark.disks`).

They apply to members that declare a `disk`; see `shakeout.system.disks`. The effect is what the kernel answers to a
write in the member's own view of its directory.
"""

import contextlib
import errno
import os
from dataclasses import dataclass
from pathlib import Path

from shakeout.faults.process import Deadly
from shakeout.process import procfs
from shakeout.system import disks, keeper
from shakeout.system.cluster import Cluster
from shakeout.system.errors import NotDeclared

BALLAST = ".shakeout-ballast"
MARK = ".shakeout-mark"
BLOCK_BYTES = 4096


@dataclass
class _OnDisk(Deadly):
    """A fault of the disk of one member. A service may end of it; a component must live."""

    def brace(self, cluster: Cluster) -> None:
        """Expect the end of a service."""
        if not cluster.member(self.target).is_component:
            super().brace(cluster)

    def available(self, cluster: Cluster) -> str:
        """It must have one, in a cluster that has any."""
        if disks.directory_of(cluster.member(self.target)) is None:
            return "it declares no disk"
        if cluster.disks is None:
            return "the cluster was booted without disks: mark the test with `disks`"
        return super().available(cluster)

    async def missing_recovery(self, cluster: Cluster) -> str:
        """Bytes must reach the disk, and the member answer."""
        refusal = _refusal(_view(cluster, self.target))
        if refusal is not None:
            return f"a write is still refused: {refusal.strerror}"
        return await super().missing_recovery(cluster)


@dataclass
class DiskFull(_OnDisk):
    """No byte is left on its disk."""

    name = "disk-full"

    async def inject(self, cluster: Cluster) -> None:
        """Fill it with ballast."""
        self.brace(cluster)
        _fill(_view(cluster, self.target) / BALLAST)

    async def missing_effect(self, cluster: Cluster) -> str:
        """The kernel must answer ENOSPC."""
        return _expected(_refusal(_view(cluster, self.target)), errno.ENOSPC)

    async def recover(self, cluster: Cluster) -> None:
        """Throw the ballast off."""
        (_view(cluster, self.target) / BALLAST).unlink(missing_ok=True)


@dataclass
class DiskReadOnly(_OnDisk):
    """Its disk refuses writes, as the kernel does after an error. Files that it has open stay writable."""

    name = "disk-read-only"
    _covered: bool = False

    def available(self, cluster: Cluster) -> str:
        """A program that works inside its directory would not notice."""
        reason = super().available(cluster)
        if reason or not _works_inside(cluster, self.target):
            return reason
        return "it works inside the directory, and would not notice what covers it"

    async def inject(self, cluster: Cluster) -> None:
        """Cover the directory with a read-only view of it."""
        self.brace(cluster)
        await self._remount(cluster, keeper.READ_ONLY)
        self._covered = True

    async def missing_effect(self, cluster: Cluster) -> str:
        """The kernel must answer EROFS."""
        return _expected(_refusal(_view(cluster, self.target)), errno.EROFS)

    async def recover(self, cluster: Cluster) -> None:
        """Uncover it."""
        if self._covered:
            await self._remount(cluster, keeper.WRITABLE)
            self._covered = False

    async def _remount(self, cluster: Cluster, how: str) -> None:
        if cluster.disks is not None:
            await cluster.disks.remount(_directory(cluster, self.target), how)


def _directory(cluster: Cluster, target: str) -> Path:
    found = disks.directory_of(cluster.member(target))
    if found is None:
        raise NotDeclared(target, "disk", ())
    return found


def _view(cluster: Cluster, target: str) -> Path:
    """Its directory as it sees it itself."""
    return cluster.member(target).place.outside(_directory(cluster, target))


def _works_inside(cluster: Cluster, target: str) -> bool:
    cwd = procfs.PROC / str(cluster.process(target).pid) / "cwd"
    return cwd.readlink().is_relative_to(_directory(cluster, target))


def _fill(ballast: Path) -> None:
    """Take all blocks that are free, then each that is left."""
    descriptor = os.open(ballast, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        with contextlib.suppress(OSError):
            space = os.fstatvfs(descriptor)
            os.posix_fallocate(descriptor, 0, max(space.f_bavail * space.f_frsize, 1))
        os.lseek(descriptor, 0, os.SEEK_END)
        with contextlib.suppress(OSError):
            while os.write(descriptor, bytes(BLOCK_BYTES)):
                pass
    finally:
        os.close(descriptor)


def _refusal(directory: Path) -> OSError | None:
    """Write a byte into a new file; how the kernel refuses."""
    mark = directory / MARK
    try:
        mark.write_bytes(b"x")
    except OSError as refusal:
        return refusal
    finally:
        with contextlib.suppress(OSError):
            mark.unlink(missing_ok=True)
    return None


def _expected(refusal: OSError | None, number: int) -> str:
    if refusal is None:
        return "a byte was written"
    return "" if refusal.errno == number else f"the kernel answers {refusal.strerror}"
