"""Names of live sessions: whether one that has the name already is as good as the one asked for. Pure."""

from collections.abc import Iterable, Mapping

from quarterdeck.manager.sessions import errors
from quarterdeck.wire import sessions


def taken(given: sessions.SessionCreate, other: sessions.SessionView) -> errors.SessionNameTaken:
    """Return the refusal of a name that another session has."""
    return errors.SessionNameTaken(
        f"The session {other.id}, which is {other.status}, has the name {given.name!r}",
        field="name",
    )


def reused(given: sessions.SessionCreate, other: sessions.SessionView) -> sessions.SessionView:
    """Return the other session if it is as good. Raises `SessionNameTaken` with the field that differs."""
    if other.status is sessions.SessionStatus.TERMINATING:
        raise taken(given, other)
    for field, wanted, there in (
        ("image", given.image, other.image),
        ("type", given.type, other.type),
        ("cluster_size", given.cluster_size, other.cluster_size),
        ("slots.cpu", given.slots.cpu, other.slots.cpu),
        ("slots.memory_mib", given.slots.memory_mib, other.slots.memory_mib),
        ("ports", list(given.ports), list(other.ports)),
        ("command", list(given.command), list(other.command)),
        ("limits.pids", given.limits.pids, other.limits.pids),
        ("limits.disk_mib", given.limits.disk_mib, other.limits.disk_mib),
        ("limits.cpu_seconds", given.limits.cpu_seconds, other.limits.cpu_seconds),
        ("mounts", _mounts(given.mounts), _mounts(other.mounts)),
    ):
        if wanted != there:
            raise errors.SessionNameTaken(
                f"The session {other.id} has the name {given.name!r} and another {field}: {there}, not {wanted}",
                field=field,
            )
    if other.isolation is not None and not other.isolation.covers(given.isolation):
        raise errors.SessionNameTaken(
            f"The session {other.id} has the name {given.name!r} and less isolation: {other.isolation}, not {given.isolation}",
            field="isolation",
        )
    return other


def _mounts(mounts: Iterable[sessions.Mount]) -> Mapping[str, sessions.Mount]:
    """Return mounts by path."""
    return {mount.path: mount for mount in mounts}
