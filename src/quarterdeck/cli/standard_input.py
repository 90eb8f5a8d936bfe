"""Standard input of `qd`: whether somebody pipes something in, and a command that gets it as its own."""

import base64
import os
import stat
import sys
from collections.abc import Sequence

from quarterdeck.client.errors import FileUnusable

INPUT_BYTES_MAX = 128 * 1024
"""More does not fit into a request for a command."""
_ARGUMENT_CHARACTERS_MAX = 96 * 1024
_SCRIPT = 'n=$1; shift; d=; while [ "$n" -gt 0 ]; do d=$d$1; shift; n=$((n - 1)); done; printf %s "$d" | base64 -d | "$@"'


def piped() -> bool:
    """Tell whether standard input is a pipe or a file, not a terminal or nothing."""
    try:
        mode = os.fstat(sys.stdin.fileno()).st_mode
    except (OSError, ValueError, AttributeError):
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISREG(mode) or stat.S_ISSOCK(mode)


def read() -> bytes:
    """Read all of it. Raises `FileUnusable` if that is too much for a command."""
    data = sys.stdin.buffer.read(INPUT_BYTES_MAX + 1)
    if len(data) > INPUT_BYTES_MAX:
        size = INPUT_BYTES_MAX // 1024
        raise FileUnusable(f"the input is longer than {size} KiB; put it into a folder instead")
    return data


def code() -> str:
    """Read all of it as code. Raises `FileUnusable` for what is no text."""
    if sys.stdin is None:
        raise FileUnusable("standard input is closed")
    try:
        return sys.stdin.buffer.read().decode()
    except UnicodeDecodeError as error:
        raise FileUnusable("standard input is not text in UTF-8") from error


def line() -> str | None:
    """Read one line, without its end; None: there is no more. What is not UTF-8 is replaced: whoever asked waits for an answer."""
    data = b"" if sys.stdin is None else sys.stdin.buffer.readline()
    return data.decode(errors="replace").removesuffix("\n").removesuffix("\r") if data else None


def fed(command: Sequence[str], data: bytes) -> list[str]:
    """Return a command that runs another with this input. It needs a shell and base64 where it runs, and has the other's exit code."""
    text = base64.b64encode(data).decode()
    parts = [
        text[at : at + _ARGUMENT_CHARACTERS_MAX]
        for at in range(0, len(text), _ARGUMENT_CHARACTERS_MAX)
    ]
    return ["sh", "-c", _SCRIPT, "sh", str(len(parts)), *parts, *command]
