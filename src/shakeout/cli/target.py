"""Find the system, or something else, that `package.module:attribute` names. User errors become words."""

import importlib
import sys
import traceback
from pathlib import Path
from typing import TypeVar

from shakeout.cli.errors import TargetNotFound
from shakeout.system.model import System

FRAMES_SHOWN = 3

Kind = TypeVar("Kind")


def load(target: str) -> System:
    """The system of that name. Raises TargetNotFound."""
    return find(target, System)


def find(target: str, kind: type[Kind]) -> Kind:
    """Import the module, with the working directory on the path. Raises TargetNotFound."""
    module_name, colon, attribute = target.partition(":")
    if not (module_name and colon and attribute):
        raise TargetNotFound(f"{target!r} is not of the form package.module:attribute")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    found = getattr(_module(module_name), attribute, None)
    if found is None:
        raise TargetNotFound(f"{module_name} has no {attribute!r}")
    if not isinstance(found, kind):
        raise TargetNotFound(
            f"{target} is a {type(found).__name__}, not a shakeout {kind.__name__}"
        )
    return found


def _module(name: str) -> object:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as missing:
        if missing.name and (name == missing.name or name.startswith(f"{missing.name}.")):
            raise TargetNotFound(
                f"no module {name!r} here or on PYTHONPATH (no {missing.name!r})"
            ) from None
        raise TargetNotFound(_told(name, missing)) from missing
    except Exception as error:
        raise TargetNotFound(_told(name, error)) from error


def _told(name: str, error: Exception) -> str:
    """The error and the user's own last lines."""
    frames = traceback.extract_tb(error.__traceback__)[-FRAMES_SHOWN:]
    places = [f"  {frame.filename}:{frame.lineno}: {frame.line}" for frame in frames]
    return "\n".join([f"importing {name} failed: {type(error).__name__}: {error}", *places])
