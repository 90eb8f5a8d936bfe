"""A secret that all processes of this user share as long as the harness's home lasts.

For systems whose components need common keys: what is drawn at random in each process would differ between the
broker, which boots a cluster, and the test process, which talks to it and restarts its components.
"""

import contextlib
import os
import secrets
from pathlib import Path

from shakeout.process import directories

FILE = "secret"
BYTES = 16


def of_user(home: Path) -> str:
    """Read the secret; draw it if there is none. Raises OSError when the home is not this user's."""
    path = directories.prepare_home(home) / FILE
    with contextlib.suppress(FileNotFoundError):
        return path.read_text()
    new = path.with_name(f"{FILE}-{os.getpid()}")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_hex(BYTES))
    try:
        with contextlib.suppress(FileExistsError):  # another process was faster
            os.link(new, path)
    finally:
        new.unlink()
    return path.read_text()
