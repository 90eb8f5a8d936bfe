"""Names of live sessions: whether one that has the name already is as good as the one asked for. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from quarterdeck.manager.sessions import errors
from quarterdeck.wire import sessions


@dataclass(frozen=True, slots=True)
class Holder:
    """A live session that has a name, with what it was asked to be and does not show."""

    view: sessions.SessionView
    environment: Mapping[str, str]
    isolation: sessions.IsolationLevel


def taken(given: sessions.SessionCreate, other: sessions.SessionView) -> errors.SessionNameTaken:
    """Return the refusal of a name that another session has."""
    return errors.SessionNameTaken(
        f"The session {other.id}, which is {other.status}, has the name {given.name!r}",
        field="name",
    )


def reused(given: sessions.SessionCreate, holder: Holder) -> sessions.SessionView:
    """Return the other session if it is as good. Raises `SessionNameTaken` with the field that differs."""
    other = holder.view
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
        ("depends_on", sorted(given.depends_on), sorted(other.depends_on)),
        ("batch_seconds", given.batch_seconds, other.batch_seconds),
        ("lifetime_seconds", given.lifetime_seconds, other.lifetime_seconds),
        ("idle_seconds", given.idle_seconds, other.idle_seconds),
    ):
        if wanted != there:
            raise errors.SessionNameTaken(
                f"The session {other.id} has the name {given.name!r} and another {field}: {there}, not {wanted}",
                field=field,
            )
    level = other.isolation or holder.isolation  # what it has, or will have at least
    if not level.covers(given.isolation):
        raise errors.SessionNameTaken(
            f"The session {other.id} has the name {given.name!r} and less isolation: {level}, not {given.isolation}",
            field="isolation",
        )
    if given.environment != holder.environment:  # whose values nobody need see
        names = sorted(
            name
            for name in {*given.environment, *holder.environment}
            if given.environment.get(name) != holder.environment.get(name)
        )
        raise errors.SessionNameTaken(
            f"The session {other.id} has the name {given.name!r} and another environment: {', '.join(names)}",
            field="environment",
        )
    return other


def _mounts(mounts: Iterable[sessions.Mount]) -> Mapping[str, sessions.Mount]:
    """Return mounts by path."""
    return {mount.path: mount for mount in mounts}
