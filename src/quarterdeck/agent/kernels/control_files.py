"""Small files by which one speaks with the operating system, in `/proc` and control groups: read and written by one call each.

A path object and a text stream for each are time and memory that every kernel pays. Used by the zygote's side.
"""

import os

_BYTES_MAX = 2**16


def read(path: str) -> str:
    """Return what is in a file. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(descriptor, _BYTES_MAX).decode()
    finally:
        os.close(descriptor)


def write(path: str, text: str) -> None:
    """Write a file that is there. Raises OSError."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)
