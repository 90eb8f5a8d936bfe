"""Programs of Debian packages, which no wheel holds: found on the PATH, or where Debian puts what only root runs.

A test that needs one asks `shakeout.skips.require`; `shakeout doctor` lists them; `.ci/run` installs them where it may.
"""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from shakeout.services.errors import ProgramMissing

SYSTEM_DIRECTORIES = ("/usr/local/sbin", "/usr/sbin", "/sbin")
"""Not on the PATH of an ordinary user, who may run some of what is there."""


@dataclass(frozen=True)
class Program:
    """One program of a package, and what wants it."""

    name: str
    package: str
    purpose: str

    @property
    def remedy(self) -> str:
        """What installs it."""
        return f"apt-get install --no-install-recommends {self.package}"


REGISTRY = Program("docker-registry", "docker-registry", "a container registry")
SKOPEO = Program("skopeo", "skopeo", "filling that registry")
OPENSSL = Program("openssl", "openssl", "the key behind that registry's tokens")
RUNC = Program("runc", "runc", "kernels in containers")
UMOCI = Program("umoci", "umoci", "a second opinion on unpacked images")
BUBBLEWRAP = Program("bwrap", "bubblewrap", "a second opinion on namespaces")
BUSYBOX = Program("busybox", "busybox-static", "a shell for images made in tests")

ALL = (REGISTRY, SKOPEO, OPENSSL, RUNC, UMOCI, BUBBLEWRAP, BUSYBOX)


def find(name: str) -> Path | None:
    """Where a program is, if it is there."""
    found = shutil.which(name) or shutil.which(name, path=os.pathsep.join(SYSTEM_DIRECTORIES))
    return Path(found) if found else None


def locate(program: Program) -> Path:
    """Where a program is. Raises ProgramMissing."""
    found = find(program.name)
    if found is None:
        raise ProgramMissing(program.name, program.remedy)
    return found


@runtime_checkable
class Packaged(Protocol):
    """A service that comes from packages."""

    @property
    def programs(self) -> tuple[Program, ...]:
        """What must be installed for it."""


def lacking(service: object) -> tuple[Program, ...]:
    """What a service wants and this machine does not have."""
    wanted = service.programs if isinstance(service, Packaged) else ()
    return tuple(program for program in wanted if find(program.name) is None)
