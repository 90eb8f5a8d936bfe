"""The code that a broker runs: which files, their digest, and a copy that outlives the sandbox of whoever starts it.

Read are the top-level packages that a system's modules come from and, by their import statements, whatever else they
need that is installed nowhere; and those that the system's own module names in words, such as a program's argument. Installed packages are named, not
read: they stay where they are.
"""

import contextlib
import fcntl
import hashlib
import importlib.util
import json
import os
import re
import shutil
import sys
import sysconfig
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from shakeout.broker.errors import NotLeasable

FILES_MAX = 5000
BYTES_MAX = 64 << 20
COPIES_KEPT = 6
MARK = "complete"
NEW = ".new-"
KEY_LENGTH = 16

_IMPORTS = re.compile(rb"^[ \t]*(?:from[ \t]+([A-Za-z_]\w*)|import[ \t]+(.+))", re.MULTILINE)
_NAME = re.compile(rb"(?:^|,)[ \t]*([A-Za-z_]\w*)")
_NAMED = re.compile(rb"""["'=]([A-Za-z_]\w*)(?:[.:][\w.:]*)?["']""")


@dataclass(frozen=True)
class Sources:
    """Files by their path below an entry of the import path, and the entries with installed packages."""

    files: Mapping[str, bytes]
    installed: tuple[str, ...]

    def key(self, environment: Mapping[str, str]) -> str:
        """Digest of all that makes processes alike: these files, what is installed, the interpreter, the environment."""
        digest = hashlib.sha256()
        for path, content in sorted(self.files.items()):
            digest.update(f"{path}\0{len(content)}\0".encode())
            digest.update(content)
        installed = [(entry, _changed_ns(entry)) for entry in sorted(self.installed)]
        rest = [sys.version, sys.executable, installed, sorted(environment.items())]
        digest.update(json.dumps(rest).encode())
        return digest.hexdigest()[:KEY_LENGTH]


def read(modules: Collection[str]) -> Sources:
    """Find and read the code behind these modules. Raises NotLeasable when it is too much, or not in files."""
    files: dict[str, bytes] = {}
    left = {module.partition(".")[0] for module in modules}
    seen: set[str] = set()
    while left:
        name = left.pop()
        seen.add(name)
        new = {path: content for place in _own(name) for path, content in _files(place)}
        files |= new
        if len(files) > FILES_MAX or sum(map(len, files.values())) > BYTES_MAX:
            raise NotLeasable(f"the code of {', '.join(sorted(seen))} is too large to be copied")
        scripts = (content for path, content in new.items() if path.endswith(".py"))
        imported = {each for content in scripts for each in imports(content)}
        left |= imported - seen - sys.stdlib_module_names
    return Sources(files, tuple(entry for entry in sys.path if is_installed(entry)))


def imports(script: bytes) -> Iterator[str]:
    """Top-level names that the import statements of a script name. Pure."""
    for one, several in _IMPORTS.findall(script):
        yield from (name.decode() for name in ((one,) if one else _NAME.findall(several)))


def named(module: str) -> set[str]:
    """Top-level names in the strings of a module that may be those of modules: `schema` of "schema:create", "--app=schema" or "schema"."""
    spec = importlib.util.find_spec(module)
    if spec is None or not spec.has_location or spec.origin is None:
        return set()
    return {name.decode() for name in _NAMED.findall(Path(spec.origin).read_bytes())}


def provide(cache: Path, key: str, sources: Sources) -> Path:
    """The directory with a copy of the files; made if there is none. Raises OSError."""
    kept = cache / "code"
    copy = kept / key
    with contextlib.suppress(FileNotFoundError):
        os.utime(copy / MARK)
        return copy
    kept.mkdir(parents=True, exist_ok=True, mode=0o700)
    new = kept / f"{NEW}{key}-{os.urandom(4).hex()}"
    for path, content in sources.files.items():
        (new / path).parent.mkdir(parents=True, exist_ok=True)
        (new / path).write_bytes(content)
    (new / MARK).touch()
    with contextlib.suppress(OSError):  # another process was faster
        new.rename(copy)
    shutil.rmtree(new, ignore_errors=True)
    _prune(kept)
    return copy


def hold(copy: Path) -> int:
    """Keep a copy from being pruned for as long as the descriptor is open. Raises FileNotFoundError."""
    descriptor = os.open(copy / MARK, os.O_RDONLY | os.O_CLOEXEC)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    return descriptor


def _prune(kept: Path) -> None:
    """Remove what was used longest ago and nobody holds."""
    marks = sorted(kept.glob(f"[!.]*/{MARK}"), key=_last_used)
    for mark in marks[:-COPIES_KEPT]:
        with contextlib.suppress(OSError), mark.open() as opened:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(mark.parent, ignore_errors=True)


def _last_used(mark: Path) -> float:
    try:
        return mark.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _own(name: str) -> list[Path]:
    """Where a top-level module that is not installed lies: a file, or directories."""
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return []
    if spec is None:
        return []
    if spec.submodule_search_locations is not None:
        places = [Path(each) for each in spec.submodule_search_locations]
    elif spec.has_location and spec.origin:
        places = [Path(spec.origin)]
    else:
        return []
    return [place for place in places if not is_installed(str(place))]


def _files(place: Path) -> Iterator[tuple[str, bytes]]:
    """Files of a module or package, by their path below the entry of the import path."""
    found = [place] if place.is_file() else _below(place)
    for count, path in enumerate(found):
        if count > FILES_MAX:
            raise NotLeasable(f"{place} has too many files to be copied")
        yield str(path.relative_to(place.parent)), path.read_bytes()


def _below(directory: Path) -> Iterator[Path]:
    for parent, directories, files in os.walk(directory):
        directories[:] = sorted(
            each for each in directories if each[0] != "." and each != "__pycache__"
        )
        yield from (Path(parent, each) for each in sorted(files) if each[0] != ".")


def is_installed(place: str) -> bool:
    """Whether a place belongs to the interpreter or to its packages: it stays where it is."""
    if {"site-packages", "dist-packages"} & set(Path(place).parts):
        return True
    base = sysconfig.get_paths()
    roots = {base[each] for each in ("stdlib", "platstdlib", "purelib", "platlib")}
    zipped = f"{sys.base_prefix}/lib/python{sys.version_info[0]}{sys.version_info[1]}.zip"
    return place == zipped or any(Path(place).is_relative_to(root) for root in roots)


def _changed_ns(entry: str) -> int:
    """When something was last installed there."""
    try:
        return Path(entry).stat().st_mtime_ns
    except OSError:
        return 0
