"""Limits of a kernel's process, set by itself before it runs any code of its user. Children inherit them. Used by `runner`."""

import os
import resource

from quarterdeck.agent.kernels import control_files
from quarterdeck.agent.kernels.spec import KernelSpec, SetUpFailed


def table(spec: KernelSpec) -> dict[int, int]:
    """Return the limits of a spec, soft and hard alike."""
    return {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NOFILE: spec.open_files,
        resource.RLIMIT_FSIZE: spec.file_bytes,
        resource.RLIMIT_AS: spec.memory_bytes,
    }


_ROOM_BYTES_MIN = 16 * 2**20
"""What the smallest kernel can allocate beyond the interpreter itself."""


def apply(spec: KernelSpec, *, own_user: bool) -> None:
    """Limit this process as the spec says; a limit that is lower already stays. Raises `SetUpFailed`.

    `own_user`: nobody else's processes count as this kernel's.
    """
    needed = _address_space_bytes() + _ROOM_BYTES_MIN
    if spec.memory_bytes < needed:
        raise SetUpFailed("kernel-failed", f"A kernel needs {-(-needed // 2**20)} MiB of memory")
    limits = table(spec)
    if own_user and spec.processes:
        limits[resource.RLIMIT_NPROC] = spec.processes
    try:
        os.sched_setaffinity(0, spec.cores)
        for kind, value in limits.items():
            limit = _lower(value, resource.getrlimit(kind)[1])
            resource.setrlimit(kind, (limit, limit))
    except (OSError, ValueError) as error:
        raise SetUpFailed("kernel-failed", f"its limits cannot be set: {error}") from error


def _address_space_bytes() -> int:
    pages = int(control_files.read("/proc/self/statm").split()[0])
    return pages * resource.getpagesize()


def _lower(value: int, ceiling: int) -> int:
    return value if ceiling == resource.RLIM_INFINITY else min(value, ceiling)
