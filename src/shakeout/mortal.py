"""Programs that end with whoever starts them, even if that is killed: for tests that start a pytest or a command line.

    subprocess.Popen(mortal.command(sys.executable, "-m", "pytest"))

A small Python asks the kernel for it and becomes the program: same pid, and no code between fork and exec.
"""

import os
import sys

_SCRIPT = """
import ctypes, os, signal, sys
PR_SET_PDEATHSIG = 1
ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
if os.getppid() != int(sys.argv[1]):
    os._exit(1)
os.execv(sys.argv[2], sys.argv[2:])
"""


def command(program: str, *arguments: str) -> tuple[str, ...]:
    """The command that runs `program`, an absolute path, until the thread that starts it ends."""
    return (sys.executable, "-I", "-S", "-c", _SCRIPT, str(os.getpid()), program, *arguments)
