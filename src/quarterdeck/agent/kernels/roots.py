"""The file system of a namespaced kernel: a small tree of its own, made of what programs need of the host, read-only. Used by `namespaces`.

The zygote makes a pattern once: a mount namespace with a tmpfs as frame, into which the system's programs and this interpreter's are
mounted. Each kernel has a copy, with `/proc`, `/dev/pts`, `/dev/shm`, `/tmp` and `/run` of its own. Nothing else of the host is there:
no home directories, no state of services, no `/sys`. What changes from kernel to kernel in `/etc` are links into `/run`.
"""

import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from quarterdeck.agent.kernels import linux
from quarterdeck.agent.kernels.owners import Owner

_BASES = ("/dev/pts", "/mnt", "/srv", "/media")
"""Where the pattern is put together, in a mount namespace where nobody else looks: the first that is there."""

_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
_SETTINGS = (
    *("alternatives", "ca-certificates", "fonts", "ld.so.cache", "ld.so.conf", "ld.so.conf.d"),
    *(
        "localtime",
        "magic",
        "mime.types",
        "os-release",
        "protocols",
        "services",
        "ssl",
        "terminfo",
    ),
    "timezone",
)
"""Of the host's /etc."""

_OWN_SETTINGS = ("passwd", "group", "hosts", "hostname", "resolv.conf")
_NAMES = "passwd: files\ngroup: files\nhosts: files\n"
_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
_LINKS = {
    "fd": "/proc/self/fd",
    "stdin": "/proc/self/fd/0",
    "stdout": "/proc/self/fd/1",
    "stderr": "/proc/self/fd/2",
    "ptmx": "pts/ptmx",
}
_HIDDEN = ("/proc/kcore", "/proc/keys", "/proc/sysrq-trigger")
_OWN_DIRECTORIES = ("/proc", "/tmp", "/run", "/dev/pts", "/dev/shm")

_PLAIN = linux.MS_NOSUID | linux.MS_NODEV
_LOCKED = linux.MOUNT_READ_ONLY | linux.MOUNT_NO_SUID | linux.MOUNT_NO_DEVICES
_TERMINALS = "newinstance,ptmxmode=0666,mode=620"
_PLACES_MAX, _DEEP = 4, 4
MEMORY_MIB = 64
"""Of /tmp and /dev/shm each, which are in memory. Large temporary files belong in TMPDIR, which is on disk."""


def programs(import_path: Iterable[str]) -> tuple[str, ...]:
    """Return where this interpreter and what it imports live, without what `/usr` has: absolute, none inside another.

    Of the import path only what packages were installed into, and this very one: the rest is where somebody stood at the start.
    """
    found = [sys.prefix, sys.base_prefix, sys.exec_prefix, str(Path(__file__).parents[4])]
    installed = list(filter(_has_packages, import_path))
    found += [*installed, *_behind_links(installed)]
    found += [str(Path(sys.executable).parent), str(Path(sys.executable).resolve().parent)]
    paths = {Path(one).absolute() for one in found if one and Path(one).exists()}
    paths |= {one.resolve() for one in paths}
    return _outermost(str(one) for one in paths)


def make_pattern(shown: Iterable[str], *, processes: bool) -> None:
    """Turn this process's mount namespace, which must be its own, into a pattern. Raises OSError.

    `shown`: what `programs` says. `processes`: with the `/proc` of now, which an ordinary user must see to mount another over it.
    """
    base = next(one for one in _BASES if Path(one).is_dir())
    linux.mount("none", "/", None, linux.MS_REC | linux.MS_PRIVATE)
    linux.mount("kernel", base, "tmpfs", _PLAIN, "size=4m,nr_inodes=16k,mode=755")
    for path in (*_SYSTEM, *shown):
        _show(path, f"{base}{path}")
    _make_settings(f"{base}/etc")
    _make_devices(f"{base}/dev")
    for path in _OWN_DIRECTORIES:
        _place(f"{base}{path}")
    if processes:
        _attach("/proc", f"{base}/proc", linux.MOUNT_NO_SUID)
    linux.enter_root(base)


def make_own(owner: Owner, shown: Sequence[str]) -> None:
    """Give this process, in its own copy of a pattern and in its pid namespace, what is not shared. Raises OSError."""
    linux.mount("proc", "/proc", "proc", _PLAIN | linux.MS_NOEXEC)
    for path in _HIDDEN:
        if os.path.exists(path):  # noqa: PTH110 - a path object for each is time that each kernel pays
            linux.mount("/dev/null", path, None, linux.MS_BIND)
    _attach("/proc/sys", "/proc/sys", linux.MOUNT_READ_ONLY)
    linux.mount("devpts", "/dev/pts", "devpts", linux.MS_NOSUID | linux.MS_NOEXEC, _TERMINALS)
    memory = f"size={MEMORY_MIB}m,mode=1777"
    linux.mount("memory", "/dev/shm", "tmpfs", _PLAIN, memory)
    hidden = {path: linux.open_tree(path) for path in shown if path.startswith("/tmp/")}
    linux.mount("memory", "/tmp", "tmpfs", _PLAIN, memory)
    for path, tree in hidden.items():
        _place(path)
        linux.move_mount(tree, path)
        os.close(tree)
    linux.mount("settings", "/run", "tmpfs", _PLAIN, "size=64k,mode=755")
    _write("passwd", f"root:x:0:0::/:/bin/false\nuser:x:{owner.uid}:{owner.gid}::/:/bin/sh\n")
    _write("group", f"root:x:0:\nuser:x:{owner.gid}:\n")
    _write("resolv.conf", "")


def name(host: str, hosts: str) -> None:
    """Name the kernel's host, write the file of the hosts it knows, and let nobody change the settings any more. Raises OSError."""
    linux.set_host_name(host)
    _write("hostname", f"{host}\n")
    _write("hosts", hosts)
    for path, kept in (("/run", _PLAIN), ("/", _PLAIN)):
        linux.mount("none", path, None, linux.MS_BIND | linux.MS_REMOUNT | linux.MS_RDONLY | kept)


def put(tree: int, path: str) -> None:
    """Place a tree of mounts at a path alone in its directory, so that kernels do not see each other's. Raises OSError."""
    parent = os.path.dirname(path)  # noqa: PTH120 - see above
    os.makedirs(parent, 0o755, exist_ok=True)  # noqa: PTH103 - see above
    linux.mount("directory", parent, "tmpfs", _PLAIN, "size=64k,mode=755")
    os.mkdir(path, 0o755)  # noqa: PTH102 - see above
    linux.move_mount(tree, path)
    linux.mount("none", parent, None, linux.MS_BIND | linux.MS_REMOUNT | linux.MS_RDONLY | _PLAIN)


def _show(source: str, target: str) -> None:
    """Show a file or directory of the host at a path of the frame, read-only; what is not there is left out."""
    path = Path(source)
    if path.is_symlink() and not path.readlink().is_absolute():
        Path(target).symlink_to(path.readlink())
        return
    if not path.exists():
        return
    if path.is_dir():
        _place(target)
    else:
        _place(str(Path(target).parent))
        Path(target).touch()
    _attach(source, target, _LOCKED)


def _make_settings(etc: str) -> None:
    _place(etc)
    for name_ in _OWN_SETTINGS:
        Path(etc, name_).symlink_to(f"/run/{name_}")
    Path(etc, "nsswitch.conf").write_text(_NAMES)
    for name_ in _SETTINGS:
        _show(f"/etc/{name_}", f"{etc}/{name_}")


def _make_devices(dev: str) -> None:
    _place(dev)
    for name_ in _DEVICES:
        Path(dev, name_).touch()
        _attach(f"/dev/{name_}", f"{dev}/{name_}", linux.MOUNT_NO_SUID | linux.MOUNT_NO_PROGRAMS)
    for name_, to in _LINKS.items():
        Path(dev, name_).symlink_to(to)


def _attach(source: str, target: str, attributes: int) -> None:
    tree = linux.open_tree(source)
    try:
        linux.restrict_mount(tree, attributes)
        linux.move_mount(tree, target)
    finally:
        os.close(tree)


def _has_packages(path: str) -> bool:
    return bool(path) and (Path(path).is_file() or any(Path(path).glob("*.dist-info")))


def _behind_links(installed: Iterable[str]) -> Iterable[str]:
    """Return where packages lie that are linked into these directories: each place, or if they are many what they have in common."""
    entries = [one for path in installed if Path(path).is_dir() for one in Path(path).iterdir()]
    places = {str(one.resolve().parent) for one in entries if one.is_symlink()}
    common = os.path.commonpath(places) if len(places) > _PLACES_MAX else "/"
    return {common} if len(Path(common).parts) >= _DEEP else places


def _place(path: str) -> None:
    Path(path).mkdir(mode=0o755, parents=True, exist_ok=True)


def _write(name_: str, text: str) -> None:
    descriptor = os.open(f"/run/{name_}", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
    os.write(descriptor, text.encode())
    os.close(descriptor)


def _outermost(paths: Iterable[str]) -> tuple[str, ...]:
    kept: list[str] = ["/usr"]
    for path in sorted(paths):
        if path != "/" and not any(f"{path}/".startswith(f"{one}/") for one in kept):
            kept.append(path)
    return tuple(kept[1:])
