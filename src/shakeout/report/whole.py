"""Files that are there whole or not at all, whenever their writer is killed."""

import os
from pathlib import Path


def write(path: Path, text: str) -> None:
    """Replace a file in one step. Raises OSError."""
    new = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        new.write_text(text, errors="backslashreplace")
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)
