"""What small images for tests hold, taken from this machine in a moment: a shell (busybox), and this very Python with its libraries."""

import functools
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from quarterdeck.testing.image_layers import Layer
from quarterdeck.testing.image_layouts import Image
from shakeout.services import debian
from shakeout.skips import Prerequisite, require, skip

LDD = Prerequisite("ldd", "install the C library's programs (libc-bin)")
RUNTIME_LABEL = "quarterdeck.runtime"
_APPLETS = (
    "sh",
    "cat",
    "echo",
    "env",
    "id",
    "ls",
    "mkdir",
    "mount",
    "ps",
    "rm",
    "sleep",
    "true",
    "wc",
)
_DIRECTORIES = ("dev", "etc", "proc", "root", "sys", "tmp", "usr/bin", "var")
_LEFT_OUT = {
    *("curses", "dbm", "distutils", "ensurepip", "idlelib"),
    *("lib2to3", "pydoc_data", "site-packages", "dist-packages", "sqlite3", "test", "tkinter"),
    *("turtledemo", "unittest", "xmlrpc", "wsgiref"),
}
_MODULES_LEFT_OUT = (
    *("_codecs_", "_curses", "_dbm", "_gdbm", "_hashlib", "_sqlite3", "_ssl", "_test", "_tkinter"),
    *("_xx", "nis", "ossaudiodev", "readline", "xx"),
)


def shell_image(*layers: Layer, **config: object) -> Image:
    """Return an image with a shell, and more layers on it."""
    return Image([shell_layer(), *layers], labels={RUNTIME_LABEL: "shell"}, config=config)


def python_image(*layers: Layer, **config: object) -> Image:
    """Return an image with this Python and a shell, and more layers on it."""
    return Image(
        [shell_layer(), python_layer(), *layers], labels={RUNTIME_LABEL: "python"}, config=config
    )


@functools.cache
def shell_layer() -> Layer:
    """Return a layer with busybox; the test is left out where there is none."""
    require(debian.BUSYBOX)
    program = Path(debian.find("busybox") or "").resolve()
    layer = Layer(gzipped=True)
    for path in _DIRECTORIES:
        layer.directory(path, mode=0o1777 if path == "tmp" else 0o755)
    layer.file("etc/passwd", "root:x:0:0:root:/root:/bin/sh\n").file("etc/group", "root:x:0:\n")
    layer.directory("bin").copy(program, "bin/busybox")
    for name in _APPLETS:
        layer.symlink(f"bin/{name}", "busybox")
    return layer


@functools.cache
def python_layer() -> Layer:
    """Return a layer with the interpreter that runs this, its standard library, and the libraries that they need."""
    program = Path(getattr(sys, "_base_executable", sys.executable)).resolve()
    library = Path(sysconfig.get_path("stdlib", vars={"installed_base": sys.base_prefix}))
    layer = Layer()
    layer.copy(program, "usr/bin/python3").copy(library, f"usr/lib/{library.name}", keep=_is_kept)
    modules = [one for one in (library / "lib-dynload").glob("*.so") if _is_kept(one)]
    for path in sorted(_libraries(program, *modules)):
        layer.copy(path.resolve(), str(path).lstrip("/"))
    return layer


def _is_kept(path: Path) -> bool:
    if path.suffix == ".so":
        return not path.name.startswith(_MODULES_LEFT_OUT)
    if path.suffix == ".pyc":
        return not path.stem.endswith((".opt-1", ".opt-2"))
    return path.name not in _LEFT_OUT and not path.name.startswith("config-")


def _libraries(*programs: Path) -> set[Path]:
    """Return the shared libraries and the loader that programs need, under the names by which they are looked for."""
    found = set()
    for line in _ldd(*programs).splitlines():
        words = line.split()
        place = words[2:3] if "=>" in words else words[:1]
        if line.startswith(("\t", " ")) and place and place[0].startswith("/"):
            found.add(Path(place[0]))
    return found


def _ldd(*programs: Path) -> str:
    ldd = shutil.which("ldd")
    if ldd is None:
        skip(LDD)
    done = subprocess.run([ldd, *programs], capture_output=True, text=True, check=True)
    return done.stdout
