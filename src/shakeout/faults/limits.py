"""Limits of running processes, lowered for the time of a fault: memory and descriptors, as the kernel enforces them."""

import contextlib
import os
import resource
from collections.abc import Iterable
from dataclasses import dataclass

from shakeout.process import procfs
from shakeout.process.procfs import PAGE_BYTES, Stat


@dataclass(frozen=True)
class Lowered:
    """One limit of one process, and what it was before."""

    process: Stat
    what: int
    """`resource.RLIMIT_...`"""
    before: tuple[int, int]
    now: int


def lower(process: Stat, what: int, to: int) -> Lowered:
    """Lower the soft limit, which can be raised again. Raises ProcessLookupError, PermissionError."""
    before = resource.prlimit(process.pid, what)
    resource.prlimit(process.pid, what, (to, before[1]))
    return Lowered(process, what, before, to)


def restore(lowered: Iterable[Lowered]) -> None:
    """Give the old limits back to those that still live."""
    for one in lowered:
        if lives(one.process):
            with contextlib.suppress(ProcessLookupError):
                resource.prlimit(one.process.pid, one.what, one.before)


def lives(process: Stat) -> bool:
    """Whether it is still the same process, and alive."""
    now = procfs.stat(process.pid)
    return now is not None and now.alive and now.started == process.started


def soft(process: Stat, what: int) -> int:
    """The soft limit now. Raises ProcessLookupError."""
    return resource.prlimit(process.pid, what)[0]


def mapped_bytes(pid: int) -> int:
    """How much of its address space a process uses. Raises ProcessLookupError."""
    try:
        words = (procfs.PROC / str(pid) / "statm").read_text().split()
    except FileNotFoundError:
        raise ProcessLookupError(pid) from None
    return int(words[0]) * PAGE_BYTES


def descriptor_next(pid: int) -> int:
    """The number that the next descriptor of a process would get. Raises ProcessLookupError."""
    try:
        taken = {int(name) for name in os.listdir(procfs.PROC / str(pid) / "fd")}  # noqa: PTH208 - as procfs does
    except FileNotFoundError:
        raise ProcessLookupError(pid) from None
    return next(number for number in range(len(taken) + 1) if number not in taken)
