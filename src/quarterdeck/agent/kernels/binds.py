"""The directories of folders that kernels mount: found without following what the folders' users put there. For `namespaces` and `oci`."""

import contextlib
import os
from collections.abc import Iterator

from quarterdeck.agent.kernels.spec import Bind, SetUpFailed

_DIRECTORY = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@contextlib.contextmanager
def source(bind: Bind) -> Iterator[int]:
    """Give a descriptor of the directory that is mounted, for the time of a block: reached through no link below the source. Raises `SetUpFailed`."""
    place = _opened(bind)
    try:
        yield place
    finally:
        os.close(place)


def _opened(bind: Bind) -> int:
    try:
        place = os.open(bind.source, _DIRECTORY & ~os.O_NOFOLLOW)
    except OSError as error:
        raise SetUpFailed(
            "mount-source-missing", f"{bind.path}: its directory is not there"
        ) from error
    for name in bind.subpath.split("/") if bind.subpath else ():
        try:
            below = os.open(name, _DIRECTORY, dir_fd=place)
        except OSError as error:
            raise SetUpFailed(
                "mount-source-missing", f"{bind.path}: the folder has no directory {bind.subpath}"
            ) from error
        finally:
            os.close(place)
        place = below
    return place
