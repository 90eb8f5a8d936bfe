"""Runs Python code as an ordinary user runs it, also where root runs the tests: `python -m quarterdeck.testing.ordinary CODE`.

Root's interpreter and checkout may lie where nobody else can go, such as `/root`. In a mount namespace of this process alone such a directory
is overlaid by one that is open; all in it keeps its own rights.
"""

import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from quarterdeck.agent.kernels import linux

_NOBODY = 65534
_ENTER = 0o001
_ROOM = "/mnt"
"""Where the overlays keep what is theirs."""


def run(code: str, seconds: float) -> str:
    """Run code, which has its own process, and return what it printed. Raises AssertionError with what it said of an error."""
    environment = {
        "PATH": os.defpath,
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    command = [sys.executable, "-P", "-m", __name__, code]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, timeout=seconds
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def main(code: str) -> None:
    """Run code in this process, which is an ordinary user's from now on. Raises OSError and what the code raises."""
    if os.geteuid() == 0:
        _open_closed(
            {*sys.path, sys.executable, os.path.realpath(sys.executable), sys.base_prefix}
        )
        os.setgroups(())
        os.setresgid(_NOBODY, _NOBODY, _NOBODY)
        os.setresuid(_NOBODY, _NOBODY, _NOBODY)
        linux.prctl(linux.PR_SET_DUMPABLE, 1)  # as whatever such a user starts
    exec(code, {"__name__": "__main__"})


def _open_closed(needed: Iterable[str]) -> None:
    """Let everybody go to these paths, as this process sees them. Raises OSError."""
    linux.unshare(linux.CLONE_NEWNS)
    linux.mount("none", "/", None, linux.MS_REC | linux.MS_PRIVATE)
    linux.mount("overlays", _ROOM, "tmpfs", 0)
    closed = sorted({one for path in needed for one in _closed(path)})
    for number, directory in enumerate(closed):
        above, work = Path(f"{_ROOM}/{number}/above"), Path(f"{_ROOM}/{number}/work")
        above.mkdir(parents=True)
        work.mkdir()
        options = f"lowerdir={directory},upperdir={above},workdir={work}"
        linux.mount("overlay", str(directory), "overlay", 0, options)
        directory.chmod(directory.stat().st_mode | _ENTER)


def _closed(path: str) -> Iterator[Path]:
    """Yield the directories on the way to a path that others may not enter."""
    for directory in Path(path).parents:
        if directory.is_dir() and not directory.stat().st_mode & _ENTER:
            yield directory


if __name__ == "__main__":
    main(sys.argv[1])
