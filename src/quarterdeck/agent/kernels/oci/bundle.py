"""What runc is told of a container: the `config.json` of its bundle. Pure; used by `container`.

The file system is an overlay of the image's tree and a directory of the kernel's; it is mounted by runc in the container's own namespaces,
so that nothing of it is ever seen or left outside. Standard library only.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from quarterdeck.agent.kernels.oci import cgroups, seccomp
from quarterdeck.agent.kernels.oci.cgroups import Limits
from quarterdeck.agent.kernels.owners import Owner
from quarterdeck.agent.kernels.spec import CONTAINER_WORK, KernelSpec

WORK = CONTAINER_WORK
"""Folders are mounted below it."""

GIVEN = "/run/quarterdeck"
"""Where a container finds what it is given: our runner, its pid as the agent sees it."""

BYTECODE = f"{GIVEN}/bytecode"
"""What a container's Python need not compile."""

PIDS_MAX = 512
SHARED_MEMORY_MIB = 64

_NAMESPACES = ("pid", "network", "ipc", "uts", "mount", "user", "cgroup")
_CAPABILITY_SETS = ("bounding", "effective", "permitted", "inheritable", "ambient")
_MASKED = (
    *("/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys"),
    *("/proc/latency_stats", "/proc/sched_debug", "/proc/scsi", "/proc/timer_list"),
    *("/proc/timer_stats", "/sys/firmware", "/sys/devices/virtual/powercap"),
)
_READ_ONLY = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")
_SAFE = ("nosuid", "nodev")


@dataclass(frozen=True)
class Staged:
    """Where the parts of a container are, as runc sees them: the tree, the kernel's directory, our package, the folders in their order."""

    tree: str
    directory: str
    package: str
    folders: Sequence[str]
    bytecode: str
    """Compiled modules, or empty: there are none. Below its own directory the container writes them."""
    root: str
    """An empty directory, over which the file system is mounted."""


def config(
    kernel: KernelSpec, staged: Staged, owner: Owner, *, arguments: Sequence[str], group: str
) -> dict[str, Any]:
    """Return the configuration of a kernel's container. `group` is its control group; empty: there are no limits but those of processes."""
    return {
        "ociVersion": "1.0.2",
        "hostname": kernel.hostname,
        "root": {"path": staged.root, "readonly": False},
        "process": {
            "terminal": False,
            "user": {"uid": 0, "gid": 0},
            "args": list(arguments),
            "env": [f"{name}={value}" for name, value in kernel.environment.items()],
            "cwd": WORK,
            "capabilities": {name: [] for name in _CAPABILITY_SETS},
            "rlimits": [
                {"type": name, "soft": value, "hard": value}
                for name, value in process_limits(kernel).items()
            ],
            "noNewPrivileges": True,
        },
        "mounts": [*_system(staged), *_own(staged), *_folders(kernel, staged)],
        "linux": {
            "namespaces": [{"type": name} for name in _NAMESPACES],
            "uidMappings": [{"containerID": 0, "hostID": owner.uid, "size": 1}],
            "gidMappings": [{"containerID": 0, "hostID": owner.gid, "size": 1}],
            "maskedPaths": list(_MASKED),
            "readonlyPaths": list(_READ_ONLY),
            "seccomp": seccomp.profile(os.uname().machine),
            **(_group(kernel, group) if group else {}),
        },
    }


def group_limits(kernel: KernelSpec) -> Limits:
    """Return what the control group of a kernel holds it to."""
    return Limits(kernel.memory_bytes, len(kernel.cores), kernel.processes or PIDS_MAX)


def process_limits(kernel: KernelSpec) -> Mapping[str, int]:
    """Return what each process of a kernel is held to, by the names of limits in `resource`."""
    return {
        "RLIMIT_NOFILE": kernel.open_files,
        "RLIMIT_FSIZE": kernel.file_bytes,
        "RLIMIT_CORE": 0,
    }


def _system(staged: Staged) -> list[dict[str, Any]]:
    layers = [
        f"lowerdir={staged.tree}",
        f"upperdir={staged.directory}/upper",
        f"workdir={staged.directory}/overlay",
        "userxattr",
    ]
    terminals = ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"]
    memory = [*_SAFE, "noexec", "mode=1777", f"size={SHARED_MEMORY_MIB}m"]
    return [
        _mount("/", "overlay", "overlay", layers),
        _mount("/proc", "proc", "proc", [*_SAFE, "noexec"]),
        _mount("/dev", "tmpfs", "tmpfs", ["nosuid", "strictatime", "mode=755", "size=64k"]),
        _mount("/dev/pts", "devpts", "devpts", terminals),
        _mount("/dev/shm", "tmpfs", "shm", memory),
        _mount("/dev/mqueue", "mqueue", "mqueue", [*_SAFE, "noexec"]),
    ]


def _own(staged: Staged) -> list[dict[str, Any]]:
    given = f"{staged.directory}/given"
    shown = ["bind", "ro", *_SAFE]
    written = ["bind", *_SAFE] if staged.bytecode.startswith(staged.directory) else shown
    return [
        _bind(WORK, f"{staged.directory}/work", ["bind", *_SAFE]),
        _bind(GIVEN, given, shown),
        _bind(f"{GIVEN}/quarterdeck/agent/kernels", staged.package, shown),
        *([_bind(BYTECODE, staged.bytecode, written)] if staged.bytecode else []),
        _bind("/etc/hosts", f"{given}/hosts", shown),
        _bind("/etc/hostname", f"{given}/hostname", shown),
        _bind("/etc/resolv.conf", f"{given}/resolv.conf", shown),
    ]


def _folders(kernel: KernelSpec, staged: Staged) -> list[dict[str, Any]]:
    return [
        _bind(
            f"{WORK}/{bind.path}",
            folder,
            ["rbind", "ro" if bind.read_only else "rw", *_SAFE],
        )
        for bind, folder in zip(kernel.binds, staged.folders, strict=True)
    ]


def _group(kernel: KernelSpec, group: str) -> dict[str, Any]:
    limits = group_limits(kernel)
    return {
        "cgroupsPath": f"/{group}",
        "resources": {
            "memory": {"limit": limits.memory_bytes, "swap": limits.memory_bytes},
            "cpu": {
                "quota": limits.cores * cgroups.CPU_PERIOD,
                "period": cgroups.CPU_PERIOD,
            },
            "pids": {"limit": limits.processes},
            "devices": [{"allow": False, "access": "rwm"}],
        },
    }


def _bind(target: str, source: str, options: list[str]) -> dict[str, Any]:
    return _mount(target, "bind", source, options)


def _mount(target: str, kind: str, source: str, options: list[str]) -> dict[str, Any]:
    return {"destination": target, "type": kind, "source": source, "options": options}
