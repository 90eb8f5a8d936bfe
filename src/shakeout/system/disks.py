"""Disks of their own for the members of a cluster, without root: small file systems that can be full or read-only.

They are mounted in namespaces that a `keeper` holds and all members join, so members find them where their directories
always are; everybody else reaches them through `Place.outside`. What is on a disk survives the death of its member.
"""

import dataclasses
from pathlib import Path

from shakeout.process.handle import Process
from shakeout.process.spawn import Program
from shakeout.system import keeper, readiness
from shakeout.system.errors import DisksRefused
from shakeout.system.host import Host
from shakeout.system.member import Member
from shakeout.system.place import Place
from shakeout.system.powers import KeepsDisk

DISK_BYTES = 256 << 20
"""Memory is used only for what is written; etcd needs half of it for its log alone."""
MOUNT_SECONDS_MAX = 10.0
KEEPER = "disks"


class Disks:
    """The disks of one cluster."""

    def __init__(self, process: Process, host: Host, directory: Path) -> None:
        self._process = process
        self._host = host
        self._directory = directory

    @property
    def namespaces(self) -> int:
        """The pid of the process whose namespaces hold them."""
        return self._process.pid

    async def remount(self, directory: Path, how: str) -> None:
        """Make a disk `keeper.READ_ONLY` or `keeper.WRITABLE` again. Raises DisksRefused."""
        arguments = (how, str(directory))
        process = await self._host.scope.start(
            _program(self._directory, "remount", arguments, namespaces=self.namespaces)
        )
        ending = await process.wait()
        if not ending.clean:
            raise DisksRefused(str(ending), process.last_lines())


def directory_of(member: Member) -> Path | None:
    """Where a member's disk is, as the member sees it; none if it declares none."""
    runner: object = member.runner
    if isinstance(runner, KeepsDisk) and runner.disk:
        return member.place.directory / runner.disk
    return None


async def mount(members: list[Member], host: Host, directory: Path) -> Disks:
    """Mount a disk for each member that declares one, and let all of them live where these are.

    Raises DisksRefused when this machine allows no user namespaces.
    """
    found = [path for one in members if (path := directory_of(one))]
    for path in found:
        path.mkdir(parents=True, exist_ok=True)
    await host.scope.preload((keeper.__name__,))
    arguments = (str(DISK_BYTES), *map(str, found))
    process = await host.scope.start(_program(directory, "main", arguments))

    async def missing() -> str:  # noqa: RUF029 - a probe
        seen = [place.outside(path) for path in found] if process.exit is None else []
        return ", ".join(str(path) for path in seen if not _is_mounted(path))

    place = Place(KEEPER, KEEPER, KEEPER, 1, directory, namespaces=process.pid)
    reason = await readiness.missing(missing, MOUNT_SECONDS_MAX)
    if reason or process.exit is not None:
        raise DisksRefused(str(process.exit or f"not mounted: {reason}"), process.last_lines())
    for one in members:
        one.place = dataclasses.replace(one.place, namespaces=process.pid)
    return Disks(process, host, directory)


def _is_mounted(path: Path) -> bool:
    try:
        return path.stat().st_dev != path.parent.stat().st_dev
    except OSError:
        return False


def _program(
    directory: Path, function: str, arguments: tuple[str, ...], *, namespaces: int = 0
) -> Program:
    return Program(
        name=KEEPER,
        directory=directory,
        log=directory / f"{KEEPER}.log",
        call=f"{keeper.__name__}:{function}",
        args=arguments,
        exit_expected=True,
        namespaces=namespaces,
    )
